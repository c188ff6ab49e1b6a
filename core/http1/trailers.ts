// Reads a trailer section into a Head. Fields that steer framing, routing or identity must not come after the body
// (RFC 9110 6.5.1): they are dropped, so that no next hop that merges trailers into the head can be misled.

import { Head } from '../http/head.ts';
import { classify, isProtected, OTHER, TOKEN_BYTE, VALUE_BYTE } from './fields.ts';

/** What steers the reading of a message, beside framing and what is protected: RFC 9110 6.5.1. */
const FORBIDDEN = new Set(
  [
    'proxy-authorization www-authenticate proxy-authenticate',
    'content-encoding content-range range if-match if-none-match if-modified-since if-unmodified-since if-range max-forwards',
    'cache-control pragma age expires date location retry-after vary warning via',
  ].flatMap((names) => names.split(' ')),
);

/** `length` bytes of field lines, the last followed by an empty line. Null: not acceptable. */
export function readTrailers(section: Buffer, length: number, maxFields: number): Head | null {
  const bytes = Buffer.from(section.subarray(0, length));
  const spans: number[] = [];
  let count = 0;
  let at = 0;
  while (at < length - 2) {
    const nameStart = at;
    while (TOKEN_BYTE[bytes[at]] === 1) at++;
    const nameLength = at - nameStart;
    if (nameLength === 0 || bytes[at] !== 58 || ++count > maxFields) return null;
    at++;
    while (bytes[at] === 32 || bytes[at] === 9) at++;
    const valueStart = at;
    let valueEnd = at;
    for (; bytes[at] !== 13; at++) {
      const c = bytes[at];
      if (VALUE_BYTE[c] === 0) return null;
      if (c !== 32 && c !== 9) valueEnd = at + 1;
    }
    if (bytes[at + 1] !== 10) return null;
    at += 2;
    if (allowedInTrailers(bytes, nameStart, nameLength))
      spans.push(nameStart, nameLength, valueStart, valueEnd - valueStart);
  }
  const trailers = new Head(bytes, spans);
  trailers.checked = true;
  return trailers;
}

/** What may come after a body. */
export function allowedInTrailers(bytes: Buffer, start: number, length: number): boolean {
  if (classify(bytes, start, length) !== OTHER) return false;
  const name = bytes.latin1Slice(start, start + length).toLowerCase();
  return !FORBIDDEN.has(name) && !isProtected(name);
}
