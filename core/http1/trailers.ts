// Reads a trailer section into a Head. Fields that steer framing, routing or identity must not come after the body
// (RFC 9110 6.5.1): they are dropped, so that no next hop that merges trailers into the head can be misled.

import { Head } from '../http/head.ts';
import { classify, OTHER, TOKEN_BYTE } from './fields.ts';

const FORBIDDEN = new Set(
  'authorization proxy-authorization www-authenticate proxy-authenticate cookie set-cookie content-type content-encoding content-range cache-control age expires date location retry-after vary warning range if-match if-none-match max-forwards'.split(
    ' ',
  ),
);
const FORBIDDEN_PREFIX = /^(x-forwarded-|x-envoy-|x-istio-|x-weft-)/;

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
      if ((c < 32 && c !== 9) || c === 127) return null;
      if (c !== 32 && c !== 9) valueEnd = at + 1;
    }
    if (bytes[at + 1] !== 10) return null;
    at += 2;
    if (allowed(bytes, nameStart, nameLength)) spans.push(nameStart, nameLength, valueStart, valueEnd - valueStart);
  }
  const trailers = new Head(bytes, spans);
  trailers.checked = true;
  return trailers;
}

function allowed(bytes: Buffer, start: number, length: number): boolean {
  if (classify(bytes, start, length) !== OTHER) return false;
  const name = bytes.latin1Slice(start, start + length).toLowerCase();
  return !FORBIDDEN.has(name) && !FORBIDDEN_PREFIX.test(name);
}
