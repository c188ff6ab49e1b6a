// The conditions of a retry policy under the names of Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on, a bit each, so
// that what a failure meets and what a policy asks for are compared in one operation.

export const FIVE_XX = 1 << 0;
export const GATEWAY_ERROR = 1 << 1;
export const RESET = 1 << 2;
export const RESET_BEFORE_REQUEST = 1 << 3;
export const CONNECT_FAILURE = 1 << 4;
/** HTTP/2's REFUSED_STREAM, or a stream above the last that a GOAWAY names: sent, and nothing was done with it. */
export const REFUSED_STREAM = 1 << 5;
export const ENVOY_RATELIMITED = 1 << 6;
/** 409 Conflict. */
export const RETRIABLE_4XX = 1 << 7;
export const RETRIABLE_STATUS_CODES = 1 << 8;
export const RETRIABLE_HEADERS = 1 << 9;
export const GRPC_CANCELLED = 1 << 10;
export const GRPC_DEADLINE_EXCEEDED = 1 << 11;
export const GRPC_INTERNAL = 1 << 12;
export const GRPC_RESOURCE_EXHAUSTED = 1 << 13;
export const GRPC_UNAVAILABLE = 1 << 14;
/** Ours: a connection that had been used before broke off as soon as the request was on it, and nothing had come back. */
export const STALE_CONNECTION = 1 << 15;

export const ANY_GRPC =
  GRPC_CANCELLED | GRPC_DEADLINE_EXCEEDED | GRPC_INTERNAL | GRPC_RESOURCE_EXHAUSTED | GRPC_UNAVAILABLE;
/** What the head of an answer can meet. */
export const ON_ANSWER =
  FIVE_XX | GATEWAY_ERROR | ENVOY_RATELIMITED | RETRIABLE_4XX | RETRIABLE_STATUS_CODES | RETRIABLE_HEADERS | ANY_GRPC;
/** What can be met only while nothing of the request is with an upstream. */
const UNSENT = RESET_BEFORE_REQUEST | CONNECT_FAILURE;

const HTTP: ReadonlyMap<string, number> = new Map([
  ['5xx', FIVE_XX],
  ['gateway-error', GATEWAY_ERROR],
  ['reset', RESET],
  ['reset-before-request', RESET_BEFORE_REQUEST],
  ['connect-failure', CONNECT_FAILURE],
  ['refused-stream', REFUSED_STREAM],
  ['envoy-ratelimited', ENVOY_RATELIMITED],
  ['retriable-4xx', RETRIABLE_4XX],
  ['retriable-status-codes', RETRIABLE_STATUS_CODES],
  ['retriable-headers', RETRIABLE_HEADERS],
]);

const GRPC: ReadonlyMap<string, number> = new Map([
  ['cancelled', GRPC_CANCELLED],
  ['deadline-exceeded', GRPC_DEADLINE_EXCEEDED],
  ['internal', GRPC_INTERNAL],
  ['resource-exhausted', GRPC_RESOURCE_EXHAUSTED],
  ['unavailable', GRPC_UNAVAILABLE],
]);

/** By grpc-status. */
const GRPC_STATUS: ReadonlyMap<string, number> = new Map([
  ['1', GRPC_CANCELLED],
  ['4', GRPC_DEADLINE_EXCEEDED],
  ['8', GRPC_RESOURCE_EXHAUSTED],
  ['13', GRPC_INTERNAL],
  ['14', GRPC_UNAVAILABLE],
]);

/** The bits of a comma-separated list; names that are no condition count for nothing, as in Envoy. */
export function conditionsOf(list: string): number {
  let bits = 0;
  for (const part of list.split(',')) {
    const name = part.trim();
    bits |= (HTTP.get(name) ?? 0) | (GRPC.get(name) ?? 0);
  }
  return bits;
}

/** The statuses among the parts of a comma-separated list. */
export function statusesOf(list: string): number[] {
  const parts = list.split(',').map((part) => part.trim());
  return parts.filter((part) => /^[1-5]\d\d$/.test(part)).map(Number);
}

export function grpcCondition(status: string): number {
  return GRPC_STATUS.get(status) ?? 0;
}

/**
 * True when a request must be kept, since it may have to be sent a second time after an upstream got the first. `streams`: the
 * upstream may refuse one of many.
 */
export function sendsTwice(conditions: number, streams: boolean): boolean {
  return (conditions & ~(streams ? UNSENT : UNSENT | REFUSED_STREAM)) !== 0;
}
