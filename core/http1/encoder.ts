// The one writer of heads, chunks and trailers. Copies byte ranges, writes all framing itself, and refuses every field
// that could break out of its line, whoever added it. Nothing else in this folder puts a header on the wire.

import type { Head } from '../http/head.ts';
import { type Outbox, reserve, reservedAt } from '../transport/outbox.ts';
import { classify, OTHER, TE, TOKEN_BYTE, VALUE_BYTE } from './fields.ts';
import { REASONS } from './reasons.ts';
import { CHUNKED, FIXED, NO_BODY, UNTIL_CLOSE, UPGRADED } from './strict.ts';

/** Fields that were not written because their name or value may not be; read by telemetry. */
export const refused = { fields: 0 };

/** What a response says about the connection. */
export const SILENT = 0;
export const CLOSE = 1;
export const KEEP_ALIVE = 2;

const VERSION_AND_HOST = ' HTTP/1.1\r\nHost: ';
const CRLF = '\r\n';
const CONTENT_LENGTH = 'Content-Length: ';
const TRANSFER_ENCODING = 'Transfer-Encoding: chunked\r\n';
const CONNECTION_CLOSE = 'Connection: close\r\n';
const EXPECT_CONTINUE = 'Expect: 100-continue\r\n';
const CONNECTION_UPGRADE = 'Connection: Upgrade\r\nUpgrade: ';
const CONNECTION_TE = 'Connection: TE\r\n';
const CONNECTION_KEEP_ALIVE = 'Connection: keep-alive\r\n';
/** More than the codec's own lines of one head can take. */
const OWN_LINES = 256;

/**
 * Writes a request's head. `framing`: NO_BODY, FIXED (with `length`), CHUNKED or UPGRADED. False, and nothing written, when the
 * path or the authority could not stand in a request line: only a filter or a rewrite can have put that there.
 */
export function writeRequestHead(out: Outbox, head: Head, framing: number, length: number): boolean {
  const { newPath, newAuthority } = head;
  if (newPath !== null && !targetAllowed(newPath)) return false;
  if (newAuthority !== null && !AUTHORITY.test(newAuthority)) return false;
  const size = head.method.length + head.pathLength + head.authorityLength + fieldsSize(head);
  const b = reserve(size + (newPath?.length ?? 0) + (newAuthority?.length ?? 0));
  const start = reservedAt(b);
  let at = put(b, start, head.method);
  b[at++] = 32;
  at = newPath === null ? copy(b, at, head.bytes, head.pathStart, head.pathLength) : put(b, at, newPath);
  at = put(b, at, VERSION_AND_HOST);
  at =
    newAuthority === null
      ? copy(b, at, head.bytes, head.authorityStart, head.authorityLength)
      : put(b, at, newAuthority);
  at = put(b, at, CRLF);
  at = putFields(b, at, head);
  // RFC 9110 10.1.4: who sends it says that it is for the next hop.
  if (framing === UPGRADED) at = putUpgrade(b, at, head.upgrade);
  if (head.te) at = put(b, at, CONNECTION_TE);
  if (head.expectContinue && framing !== NO_BODY) at = put(b, at, EXPECT_CONTINUE);
  at = putFraming(b, at, framing, length);
  out.commit(b, at - start);
  return true;
}

/** Writes a response's head. With UNTIL_CLOSE and NO_BODY, `length` >= 0 is announced and -1 is not. */
export function writeResponseHead(out: Outbox, head: Head, framing: number, length: number, connection: number): void {
  const b = reserve(fieldsSize(head));
  const start = reservedAt(b);
  let at = put(b, start, statusLine(head.status));
  at = putFields(b, at, head);
  if (connection === CLOSE) at = put(b, at, CONNECTION_CLOSE);
  else if (connection === KEEP_ALIVE) at = put(b, at, CONNECTION_KEEP_ALIVE);
  at = putFraming(b, at, framing, length);
  out.commit(b, at - start);
}

/** Writes the head of an interim response. */
export function writeInterimHead(out: Outbox, head: Head): void {
  const b = reserve(fieldsSize(head));
  const start = reservedAt(b);
  let at = put(b, start, lineOf(head.status));
  at = putFields(b, at, head);
  at = put(b, at, CRLF);
  out.commit(b, at - start);
}

/** Writes the answer after which the connection speaks something else. */
export function writeUpgradeHead(out: Outbox, head: Head, protocol: string): void {
  const b = reserve(fieldsSize(head));
  const start = reservedAt(b);
  let at = put(b, start, lineOf(101));
  at = putFields(b, at, head);
  at = putUpgrade(b, at, protocol);
  at = put(b, at, CRLF);
  out.commit(b, at - start);
}

function putUpgrade(b: Buffer, start: number, protocol: string): number {
  return put(b, put(b, put(b, start, CONNECTION_UPGRADE), protocol), CRLF);
}

/** Writes bytes of our own that are no field: the answer to CONNECT. */
export function writeLine(out: Outbox, text: string): void {
  const b = reserve(text.length);
  const start = reservedAt(b);
  out.commit(b, put(b, start, text) - start);
}

/** Writes one chunk; nothing for an empty one, which would end the body. */
export function writeChunk(out: Outbox, chunk: Buffer): void {
  const { length } = chunk;
  if (length === 0) return;
  const b = reserve(16);
  const start = reservedAt(b);
  out.commit(b, put(b, putHex(b, start, length), CRLF) - start);
  out.append(chunk);
  writeLine(out, CRLF);
}

/** Ends a chunked body. */
export function writeLastChunk(out: Outbox, trailers: Head | null): void {
  if (trailers === null) {
    writeLine(out, '0\r\n\r\n');
    return;
  }
  const b = reserve(fieldsSize(trailers));
  const start = reservedAt(b);
  let at = put(b, start, '0\r\n');
  at = putFields(b, at, trailers);
  at = put(b, at, CRLF);
  out.commit(b, at - start);
}

const AUTHORITY = /^[A-Za-z0-9\-._~:[\]]*$/;

function targetAllowed(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    if (c <= 32 || c >= 127 || c === 35) return false;
  }
  return path.length > 0;
}

/** An upper bound, in bytes, of what the fields and the codec's own lines take. */
function fieldsSize(head: Head): number {
  const { spans, added } = head;
  let size = OWN_LINES;
  for (let i = 0; i < spans.length; i += 4) size += spans[i + 1] + spans[i + 3] + 4;
  for (let i = 0; i < added.length; i++) size += added[i].length + 2;
  return size;
}

function putFraming(b: Buffer, at: number, framing: number, length: number): number {
  if (framing === CHUNKED) at = put(b, at, TRANSFER_ENCODING);
  else if (framing === FIXED || (length >= 0 && (framing === NO_BODY || framing === UNTIL_CLOSE))) {
    at = put(b, at, CONTENT_LENGTH);
    at = putDecimal(b, at, length);
    at = put(b, at, CRLF);
  }
  return put(b, at, CRLF);
}

/** Received fields first, runs of untouched ones in one copy; then what was added. */
function putFields(b: Buffer, at: number, head: Head): number {
  const { spans, bytes, added, checked } = head;
  let runStart = 0;
  let runEnd = 0;
  for (let i = 0; i < spans.length; i += 4) {
    const name = spans[i];
    if (name < 0) continue;
    const nameEnd = name + spans[i + 1];
    const value = spans[i + 2];
    const end = value + spans[i + 3];
    if (checked && isLine(bytes, nameEnd, value, end)) {
      if (name !== runEnd) {
        at = copy(b, at, bytes, runStart, runEnd - runStart);
        runStart = name;
      }
      runEnd = end + 2;
      continue;
    }
    at = copy(b, at, bytes, runStart, runEnd - runStart);
    runStart = 0;
    runEnd = 0;
    if (!checked && !spanAllowed(bytes, name, nameEnd, value, end)) {
      refused.fields++;
      continue;
    }
    at = copy(b, at, bytes, name, nameEnd - name);
    b[at++] = 58;
    b[at++] = 32;
    at = copy(b, at, bytes, value, end - value);
    b[at++] = 13;
    b[at++] = 10;
  }
  at = copy(b, at, bytes, runStart, runEnd - runStart);
  for (let i = 0; i < added.length; i += 2) {
    if (added[i] !== '') at = putAdded(b, at, added[i], added[i + 1]);
  }
  return at;
}

/** "Name: value\r\n" as it lies there. */
function isLine(bytes: Buffer, nameEnd: number, value: number, end: number): boolean {
  return (
    value === nameEnd + 2 &&
    bytes[nameEnd] === 58 &&
    bytes[nameEnd + 1] === 32 &&
    bytes[end] === 13 &&
    bytes[end + 1] === 10
  );
}

function spanAllowed(bytes: Buffer, name: number, nameEnd: number, value: number, end: number): boolean {
  if (name === nameEnd) return false;
  for (let i = name; i < nameEnd; i++) if (TOKEN_BYTE[bytes[i]] === 0) return false;
  for (let i = value; i < end; i++) if (VALUE_BYTE[bytes[i]] === 0) return false;
  const kind = classify(bytes, name, nameEnd - name);
  return kind === OTHER || kind === TE;
}

function putAdded(b: Buffer, start: number, name: string, value: string): number {
  let at = start;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c > 255 || TOKEN_BYTE[c] === 0) return refuse(start);
    b[at++] = c;
  }
  const kind = classify(b, start, name.length);
  if (kind !== OTHER && kind !== TE) return refuse(start);
  b[at++] = 58;
  b[at++] = 32;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c > 255 || VALUE_BYTE[c] === 0) return refuse(start);
    b[at++] = c;
  }
  b[at++] = 13;
  b[at++] = 10;
  return at;
}

function refuse(at: number): number {
  refused.fields++;
  return at;
}

function put(b: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) b[at++] = text.charCodeAt(i);
  return at;
}

/** Below this many bytes a loop is faster than a call out of JavaScript. */
const LOOP_BELOW = 48;

function copy(b: Buffer, at: number, from: Buffer, start: number, length: number): number {
  if (length < LOOP_BELOW) {
    for (let i = 0; i < length; i++) b[at + i] = from[start + i];
  } else from.copy(b, at, start, start + length);
  return at + length;
}

function putDecimal(b: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    b[i] = 48 + (rest - next * 10);
    rest = next;
  }
  return at + digits;
}

function putHex(b: Buffer, at: number, value: number): number {
  let shift = 0;
  while (value >>> shift > 15 && shift < 28) shift += 4;
  for (; shift >= 0; shift -= 4) {
    const digit = (value >>> shift) & 15;
    b[at++] = digit < 10 ? 48 + digit : 87 + digit;
  }
  return at;
}

/** Status lines that were written before. */
const lines: (string | undefined)[] = [];

/** "HTTP/1.1 404 Not Found\r\n", the same string every time. What can be no final status is written as 500. */
function statusLine(status: number): string {
  return lineOf(status >= 200 && status <= 999 ? status : 500);
}

function lineOf(status: number): string {
  const known = lines[status];
  if (known !== undefined) return known;
  const line = `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n`;
  lines[status] = line;
  return line;
}
