// gRPC on HTTP: which messages are calls, and what a status of HTTP means to a client of gRPC (its http-grpc-status-mapping, as Envoy
// has it).

import { FieldName, type Head } from './head.ts';

const CONTENT_TYPE = new FieldName('content-type');
const STATUS = new FieldName('grpc-status');
const MESSAGE = new FieldName('grpc-message');
const MOST = 0x7fffffff;
const GRPC = Buffer.from('application/grpc');
const ENDS = Buffer.from('+; \t');

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

/** By its content-type, whichever way its messages are written ('application/grpc+proto'); gRPC-Web is another. */
export function isGrpc(message: Head): boolean {
  const index = message.find(CONTENT_TYPE);
  if (index < 0) return false;
  const { spans, bytes } = message;
  const span = index << 2;
  if (span >= spans.length) return /^application\/grpc(?:[+; \t]|$)/i.test(message.valueAt(index));
  const at = spans[span + 2];
  const length = spans[span + 3];
  if (length < GRPC.length) return false;
  for (let i = 0; i < GRPC.length; i++) {
    const byte = bytes[at + i];
    if (byte !== GRPC[i] && (byte < 65 || byte > 90 || (byte | 32) !== GRPC[i])) return false;
  }
  return length === GRPC.length || ENDS.includes(bytes[at + GRPC.length]);
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

/**
 * As it goes on the wire: printable ASCII as it is but for '%', every other byte as '%' and two digits (gRPC's Percent-Encoded), and
 * '~' too, as Envoy has it. Clients decode no other escapes.
 */
export function grpcMessageOf(text: string | Uint8Array): string {
  const bytes =
    typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  // A field's value neither begins nor ends with a space (RFC 9113 8.2.1).
  return bytes.latin1Slice().replace(/^ | $|[^ -$&-}]/g, escaped);
}

function escaped(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** As it is on the wire. */
export function grpcMessageIn(head: Head): string {
  return head.get(MESSAGE) ?? '';
}
