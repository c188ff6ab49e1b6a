// gRPC on HTTP: which messages are calls, and what a status of HTTP means to a client of gRPC (its http-grpc-status-mapping, as Envoy
// has it).

import { FieldName, type Head } from './head.ts';

const CONTENT_TYPE = new FieldName('content-type');
const STATUS = new FieldName('grpc-status');
const MESSAGE = new FieldName('grpc-message');
const MOST = 0x7fffffff;

export const GRPC_UNKNOWN = 2;
export const GRPC_EXHAUSTED = 8;
export const GRPC_INTERNAL = 13;
export const GRPC_UNAVAILABLE = 14;

const OF_HTTP: ReadonlyMap<number, number> = new Map([
  [400, GRPC_INTERNAL],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, GRPC_UNAVAILABLE],
  [502, GRPC_UNAVAILABLE],
  [503, GRPC_UNAVAILABLE],
  [504, GRPC_UNAVAILABLE],
]);

export function isGrpc(message: Head): boolean {
  const type = message.get(CONTENT_TYPE);
  return type !== undefined && /^application\/grpc(\+[\w.-]+)?(\s*;|$)/i.test(type);
}

export function grpcStatusOfHttp(status: number): number {
  return OF_HTTP.get(status) ?? GRPC_UNKNOWN;
}

/** What trailers, or a head that is all of an answer, say; -1: nothing. A number that is none is UNKNOWN. */
export function grpcStatusIn(head: Head): number {
  const text = head.get(STATUS);
  if (text === undefined) return -1;
  const status = /^\d+$/.test(text) ? Number(text) : GRPC_UNKNOWN;
  return status <= MOST ? status : GRPC_UNKNOWN;
}

/** As it is on the wire. */
export function grpcMessageIn(head: Head): string {
  return head.get(MESSAGE) ?? '';
}
