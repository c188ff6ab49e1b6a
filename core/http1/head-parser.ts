// Splits a head into its start line and its fields (RFC 9112 2 to 5): bytes in, offsets out, and nothing forgiven: every
// line ends in CRLF, nothing is folded, nothing but the one space or tab that the grammar has stands where it may. Knows no
// Head and no policy; bodies never come here.

import { codesOf, sameBytes, TOKEN_BYTE, VALUE_BYTE } from './fields.ts';

/** What `request` and `response` return when they have not come to the end of a head; else the offset after it. */
export const INCOMPLETE = 0;
export const MALFORMED = -1;
export const TOO_MANY = -2;
/** Malformed from the first word on, as another protocol is, and no slip in HTTP. */
export const NOT_HTTP = -3;

/** Heads share these strings; any other token is a method, too (RFC 9110 9.1). */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'].map((name) => ({
  name,
  codes: codesOf(name),
}));

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;
const VERSION = codesOf('HTTP/1.');

/** One a shard. All of it is overwritten by the next head. */
class HeadParser {
  /** [nameStart, nameLength, valueStart, valueLength] of each field, without the blanks around values. */
  fields = new Int32Array(4 * 128);
  /** Fields in `fields`. */
  count = 0;
  /** HTTP/1.0 or HTTP/1.1. */
  minor = 0;
  method = '';
  targetStart = 0;
  targetLength = 0;
  status = 0;

  /** Reads a head that begins at `start`; MALFORMED or NOT_HTTP at the first wrong byte, TOO_MANY with one field more than `maxFields`. */
  request(bytes: Buffer, start: number, end: number, maxFields: number): number {
    const after = this.requestLine(bytes, start, end);
    return after > 0 ? this.fieldLines(bytes, after, end, maxFields) : after;
  }

  response(bytes: Buffer, start: number, end: number, maxFields: number): number {
    const after = this.statusLine(bytes, start, end);
    return after > 0 ? this.fieldLines(bytes, after, end, maxFields) : after;
  }

  /** method SP request-target SP HTTP-version CRLF */
  private requestLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && TOKEN_BYTE[bytes[at]] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (at === start || bytes[at] !== SPACE) return beginsOtherwise(bytes[start], bytes[at]) ? NOT_HTTP : MALFORMED;
    this.method = methodAt(bytes, start, at - start);
    const target = ++at;
    // Which bytes a target may have depends on its form; here it ends.
    while (at < end && bytes[at] > SPACE) at++;
    if (at === end) return INCOMPLETE;
    if (at === target || bytes[at] !== SPACE) return MALFORMED;
    this.targetStart = target;
    this.targetLength = at - target;
    at = this.version(bytes, at + 1, end);
    return at > 0 ? lineEnd(bytes, at, end) : at;
  }

  /** HTTP-version SP status-code [ SP reason-phrase ] CRLF. The space is missing in what many servers send without a phrase. */
  private statusLine(bytes: Buffer, start: number, end: number): number {
    let at = this.version(bytes, start, end);
    if (at <= 0) return at;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== SPACE) return MALFORMED;
    this.status = 0;
    for (const stop = at + 3; at < stop; at++) {
      if (at === end) return INCOMPLETE;
      const digit = bytes[at] - 48;
      if (digit < 0 || digit > 9) return MALFORMED;
      this.status = this.status * 10 + digit;
    }
    if (at === end) return INCOMPLETE;
    if (bytes[at] === SPACE) while (at < end && VALUE_BYTE[bytes[at]] === 1) at++;
    return lineEnd(bytes, at, end);
  }

  /** "HTTP/1.1" or "HTTP/1.0" to the byte, and not RTSP, ICE, HTTP/0.9, HTTP/2.0 or others. */
  private version(bytes: Buffer, start: number, end: number): number {
    const known = Math.min(VERSION.length, end - start);
    if (!sameBytes(bytes, start, known, VERSION)) return MALFORMED;
    const at = start + VERSION.length;
    if (at >= end) return INCOMPLETE;
    this.minor = bytes[at] - 48;
    return this.minor === 0 || this.minor === 1 ? at + 1 : MALFORMED;
  }

  /** *( field-name ":" OWS field-value OWS CRLF ) CRLF */
  private fieldLines(bytes: Buffer, start: number, end: number, maxFields: number): number {
    let count = 0;
    let at = start;
    while (at < end && bytes[at] !== CR) {
      const name = at;
      while (at < end && TOKEN_BYTE[bytes[at]] === 1) at++;
      if (at === end) return INCOMPLETE;
      if (at === name || bytes[at] !== COLON) return MALFORMED;
      if (count === maxFields) return TOO_MANY;
      const nameLength = at++ - name;
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const value = at;
      while (at < end && VALUE_BYTE[bytes[at]] === 1) at++;
      let stop = at;
      at = lineEnd(bytes, at, end);
      if (at <= 0) return at;
      while (stop > value && (bytes[stop - 1] === SPACE || bytes[stop - 1] === TAB)) stop--;
      this.keep(count++, name, nameLength, value, stop - value);
    }
    this.count = count;
    return lineEnd(bytes, at, end);
  }

  private keep(index: number, name: number, nameLength: number, value: number, valueLength: number): void {
    const k = index << 2;
    if (k === this.fields.length) {
      const larger = new Int32Array(k * 2);
      larger.set(this.fields);
      this.fields = larger;
    }
    const { fields } = this;
    fields[k] = name;
    fields[k + 1] = nameLength;
    fields[k + 2] = value;
    fields[k + 3] = valueLength;
  }
}

export const headParser = new HeadParser();

/** The offset after CRLF. */
function lineEnd(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return INCOMPLETE;
  if (bytes[at] !== CR) return MALFORMED;
  if (at + 1 === end) return INCOMPLETE;
  return bytes[at + 1] === LF ? at + 2 : MALFORMED;
}

export function methodAt(bytes: Buffer, start: number, length: number): string {
  for (let i = 0; i < METHODS.length; i++) {
    const { name, codes } = METHODS[i];
    if (codes.length === length && sameBytes(bytes, start, length, codes)) return name;
  }
  return bytes.latin1Slice(start, start + length);
}

/** A line of one word, as of Redis and SMTP; or a first byte that is no text, as of TLS, PostgreSQL, MongoDB and Kafka. */
function beginsOtherwise(first: number, afterWord: number): boolean {
  return first < SPACE || first > 0x7e || afterWord === CR || afterWord === LF;
}
