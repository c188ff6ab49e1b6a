// How often and after which failures a route tries again: VirtualService `http[].retries`, decoded once per snapshot.
// Frozen, shared by all requests of the route.

import { parseDuration } from '../../config/duration.ts';
import type { HTTPRetry } from '../../config/kinds/virtual-service.ts';
import type { FieldName } from '../../http/head.ts';
import {
  CONNECT_FAILURE,
  conditionsOf,
  GRPC_CANCELLED,
  GRPC_UNAVAILABLE,
  REFUSED_STREAM,
  RESET_BEFORE_REQUEST,
  RETRIABLE_STATUS_CODES,
  STALE_CONNECTION,
  statusesOf,
} from './conditions.ts';

export interface RetryPolicy {
  /** Further attempts after the first. */
  readonly attempts: number;
  /** Bits of conditions.ts that hold whatever the method is. */
  readonly always: number;
  /** Bits that hold for methods that may be repeated: `always` and more. */
  readonly idempotent: number;
  /** For retriable-status-codes. */
  readonly statuses: readonly number[];
  /** For retriable-headers: any of these in the answer. */
  readonly headers: readonly FieldName[];
  /** From the moment the request is with an upstream to the head of its answer; 0: as long as the route allows. */
  readonly perTryTimeoutMs: number;
  /** The first pause is a random part of this; it doubles with each attempt, up to ten times as long. */
  readonly backoffMs: number;
  /** Hosts that failed this request are taken again only when there is no other. */
  readonly otherHosts: boolean;
  /** Bytes of a request's body that are kept for another attempt; longer ones are sent once. */
  readonly replayBytes: number;
}

/** Envoy's base interval. */
const BACKOFF_MS = 25;
/** As Envoy's default for what a request may occupy: a rule that asks for repetition means bodies, too. */
export const ASKED_REPLAY_BYTES = 1 << 20;
const DEFAULT_REPLAY_BYTES = 64 << 10;
const SAFE = CONNECT_FAILURE | REFUSED_STREAM | RESET_BEFORE_REQUEST;

/**
 * Istio's, without a rule: two further attempts on connect-failure, refused-stream, unavailable and cancelled (503 is not
 * among them since Istio 1.24, istio#50506). Ours on top: the two that mean an upstream has read the request count only
 * for methods that may be repeated; and such a request survives a connection that had just been closed.
 */
export const DEFAULT_RETRIES: RetryPolicy = Object.freeze({
  attempts: 2,
  always: SAFE,
  idempotent: SAFE | GRPC_UNAVAILABLE | GRPC_CANCELLED | STALE_CONNECTION,
  statuses: [],
  headers: [],
  perTryTimeoutMs: 0,
  backoffMs: BACKOFF_MS,
  otherHosts: true,
  replayBytes: DEFAULT_REPLAY_BYTES,
});

/** Towards the proxy's own application, as Istio's inbound route: only what it cannot have seen. */
export const INBOUND_RETRIES: RetryPolicy = Object.freeze({
  ...DEFAULT_RETRIES,
  always: RESET_BEFORE_REQUEST,
  idempotent: RESET_BEFORE_REQUEST | STALE_CONNECTION,
});

/** Past the mesh: no attempts but the one that replaces a connection which had just been closed. */
export const PASSTHROUGH_RETRIES: RetryPolicy = Object.freeze({
  ...DEFAULT_RETRIES,
  attempts: 0,
  always: 0,
  idempotent: STALE_CONNECTION,
});

/** `attempts: 0`. */
const NO_RETRIES: RetryPolicy = Object.freeze({ ...DEFAULT_RETRIES, attempts: 0, always: 0, idempotent: 0 });

/**
 * A route's policy. What its rule leaves out is as in the default; conditions that it names hold for every method.
 * `timeoutMs`: the route's, 0 for none.
 */
export function retryPolicy(retries: HTTPRetry | undefined, timeoutMs: number): RetryPolicy {
  if (retries === undefined) return DEFAULT_RETRIES;
  // As Istio: `retries` without attempts, or with 0, turns them off.
  if (!retries.attempts) return NO_RETRIES;
  const { attempts, retryOn = '', perTryTimeout, backoff, retryIgnorePreviousHosts = true } = retries;
  return Object.freeze({
    ...(retryOn === '' ? DEFAULT_RETRIES : asked(retryOn)),
    attempts,
    perTryTimeoutMs: perTryTimeout === undefined ? 0 : perTryWithin(parseDuration(perTryTimeout), timeoutMs),
    backoffMs: backoff === undefined ? BACKOFF_MS : parseDuration(backoff),
    otherHosts: retryIgnorePreviousHosts,
  });
}

/** One try has no time-out of its own when it could only fall after the route's. */
export function perTryWithin(perTryTimeoutMs: number, timeoutMs: number): number {
  return timeoutMs > 0 && perTryTimeoutMs >= timeoutMs ? 0 : perTryTimeoutMs;
}

/** What a rule names, for every method. */
function asked(retryOn: string): RetryPolicy {
  const statuses = statusesOf(retryOn);
  const always = conditionsOf(retryOn) | (statuses.length > 0 ? RETRIABLE_STATUS_CODES : 0);
  return {
    ...DEFAULT_RETRIES,
    always,
    idempotent: always | STALE_CONNECTION,
    statuses,
    replayBytes: ASKED_REPLAY_BYTES,
  };
}

/** Milliseconds before the `retry`th further attempt (1 is the first): fully jittered, as Envoy's. */
export function backoff({ backoffMs }: RetryPolicy, retry: number, random: () => number): number {
  const longest = Math.min(backoffMs * 2 ** Math.min(retry - 1, 30), 10 * backoffMs);
  return random() * longest;
}
