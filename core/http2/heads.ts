// From fields to a Head: what a message of HTTP/2 may say (RFC 9113 8). What it may not is malformed, a fault of one stream. The fields
// that concern one hop are read into the head's properties here, as the codec of HTTP/1 does it.

import { randomBytes } from 'node:crypto';
import type { FailureCode } from '../errors.ts';
import { FieldName, Head } from '../http/head.ts';
import {
  CONTENT_LENGTH,
  classify,
  codesOf,
  EXPECT,
  HOST,
  isValue,
  OTHER,
  sameBytes,
  TE,
  TOKEN_BYTE,
  VALUE_BYTE,
} from '../http1/fields.ts';
import { methodAt } from '../http1/head-parser.ts';
import { authorityAllowed } from '../http1/target.ts';
import { allowedInTrailers } from '../http1/trailers.ts';
import { copyOf } from '../transport/read-buffer.ts';
import { fieldLines } from './hpack-decoder.ts';

const METHOD = codesOf(':method');
const PATH = codesOf(':path');
const SCHEME = codesOf(':scheme');
const AUTHORITY = codesOf(':authority');
const PROTOCOL = codesOf(':protocol');
const WEBSOCKET = codesOf('websocket');
const STATUS = codesOf(':status');
const COOKIE = codesOf('cookie');
const TRAILER = codesOf('trailer');
const SETTINGS = codesOf('http2-settings');
const TRAILERS = codesOf('trailers');
const CONTINUE = codesOf('100-continue');
const HTTP = codesOf('http');
const HTTPS = codesOf('https');
const KEY = new FieldName('sec-websocket-key');
const COLON = 58;

/** Name bytes that HTTP/2 takes: a token without capitals. */
const NAME_BYTE = Uint8Array.from(TOKEN_BYTE, (is, c) => (c >= 65 && c <= 90 ? 0 : is));

// Found by `collect`, read by the functions that call it. Offsets of values in fieldLines, -1: not there.
let method = -1;
let path = -1;
let scheme = -1;
let authority = -1;
let protocol = -1;
let status = -1;
let host = -1;
let contentLength = -1;
let te = false;
let expectContinue = false;
let unknownExpectation = false;
let cookies = 0;

/** What became of the last head: null when it is malformed. */
export const headFacts: { head: Head | null; refused: FailureCode | '' } = { head: null, refused: '' };

/** Reads a request from `fieldLines` into `headFacts`. `end`: no body follows. False: it is malformed. */
export function readRequest(end: boolean): boolean {
  headFacts.head = null;
  headFacts.refused = '';
  const spans: number[] = [];
  if (!collect(spans) || status >= 0 || method < 0) return false;
  const { spans: fields, bytes: lines } = fieldLines;
  const head = made(spans);
  const { bytes } = head;
  head.method = methodAt(bytes, fields[method], fields[method + 1]);
  if (!isToken(head.method)) return false;
  if (!readAuthority(head)) return false;
  head.contentLength = end ? 0 : contentLength;
  head.te = te;
  head.expectContinue = expectContinue && !end;
  headFacts.head = head;
  if (end && contentLength > 0) return false;
  if (protocol >= 0) {
    if (head.method !== 'CONNECT' || end) return false;
    if (isValue(lines, fields[protocol], fields[protocol + 1], WEBSOCKET)) offerWebSocket(head);
    else headFacts.refused = 'connect_refused';
  } else if (head.method === 'CONNECT') {
    headFacts.refused = 'connect_refused';
    return scheme < 0 && path < 0 && head.authorityLength > 0;
  }
  if (scheme < 0 || path < 0) return false;
  if (isValue(lines, fields[scheme], fields[scheme + 1], HTTPS)) head.scheme = 'https';
  else if (!isValue(lines, fields[scheme], fields[scheme + 1], HTTP)) return false;
  head.pathStart = fields[path];
  head.pathLength = fields[path + 1];
  if (!isTarget(bytes, head.pathStart, head.pathLength, head.method)) return false;
  if (head.method === 'TRACE' && !end) return false;
  if (head.authorityLength === 0) headFacts.refused = 'missing_host';
  else if (unknownExpectation) headFacts.refused = 'unknown_expectation';
  return true;
}

/** RFC 8441 5: to everybody else the GET that begins one in HTTP/1.1, whose key its server asks for. */
function offerWebSocket(head: Head): void {
  head.method = 'GET';
  head.upgrade = 'websocket';
  head.contentLength = -1;
  if (!head.has(KEY)) head.add('sec-websocket-key', randomBytes(16).toString('base64'));
}

/** Reads a response. `bodyless`: it answers HEAD. */
export function readResponse(end: boolean, bodyless: boolean): boolean {
  headFacts.head = null;
  const spans: number[] = [];
  if (!collect(spans) || status < 0 || (method & path & scheme & authority & protocol) !== -1) return false;
  const { spans: fields, bytes: lines } = fieldLines;
  const start = fields[status];
  if (fields[status + 1] !== 3) return false;
  const code = digits(lines, start, 3);
  if (code < 100) return false;
  const head = made(spans);
  head.status = code;
  const silent = bodyless || code === 304;
  if (code < 200 || code === 204) head.contentLength = 0;
  else head.contentLength = end && !silent ? 0 : contentLength;
  headFacts.head = head;
  return !(end && contentLength > 0 && !silent && code !== 204);
}

/** Reads trailers; what must not come after a body is left out. Null: they are malformed. */
export function readTrailers(): Head | null {
  const { count, spans: fields, bytes: lines } = fieldLines;
  const spans: number[] = [];
  for (let k = 0; k < count << 2; k += 4) {
    if (!isField(lines, fields[k], fields[k + 1], fields[k + 2], fields[k + 3])) return null;
    if (allowedInTrailers(lines, fields[k], fields[k + 1])) {
      spans.push(fields[k], fields[k + 1], fields[k + 2], fields[k + 3]);
    }
  }
  return made(spans);
}

/** Sorts the fields into `spans` and the variables above. False: they are malformed. */
function collect(spans: number[]): boolean {
  const { count, spans: fields, bytes } = fieldLines;
  method = -1;
  path = -1;
  scheme = -1;
  authority = -1;
  protocol = -1;
  status = -1;
  host = -1;
  contentLength = -1;
  te = false;
  expectContinue = false;
  unknownExpectation = false;
  cookies = 0;
  let regular = false;
  for (let k = 0; k < count << 2; k += 4) {
    const name = fields[k];
    const nameLength = fields[k + 1];
    const value = fields[k + 2];
    const length = fields[k + 3];
    if (nameLength > 0 && bytes[name] === COLON) {
      if (regular || !isText(bytes, value, length) || !pseudo(k + 2, name, nameLength)) return false;
      continue;
    }
    regular = true;
    if (!isField(bytes, name, nameLength, value, length)) return false;
    const kind = classify(bytes, name, nameLength);
    if (kind === OTHER) {
      if (nameLength === COOKIE.length && sameBytes(bytes, name, nameLength, COOKIE)) cookies++;
      spans.push(name, nameLength, value, length);
    } else if (kind === TE) {
      // RFC 9113 8.2.2: the one thing that it may say.
      if (!isValue(bytes, value, length, TRAILERS)) return false;
      if (!te) spans.push(name, nameLength, value, length);
      te = true;
    } else if (!readOwn(kind, k, name, nameLength)) return false;
  }
  if (cookies > 1) joinCookies(spans);
  return true;
}

/** Each at most once. `k`: of its value in the spans. */
function pseudo(k: number, name: number, length: number): boolean {
  const { bytes } = fieldLines;
  if (length === METHOD.length && sameBytes(bytes, name, length, METHOD)) {
    if (method >= 0) return false;
    method = k;
  } else if (length === PATH.length && sameBytes(bytes, name, length, PATH)) {
    if (path >= 0) return false;
    path = k;
  } else if (length === SCHEME.length && sameBytes(bytes, name, length, SCHEME)) {
    if (scheme >= 0) return false;
    scheme = k;
  } else if (length === AUTHORITY.length && sameBytes(bytes, name, length, AUTHORITY)) {
    if (authority >= 0) return false;
    authority = k;
  } else if (length === PROTOCOL.length && sameBytes(bytes, name, length, PROTOCOL)) {
    if (protocol >= 0) return false;
    protocol = k;
  } else if (length === STATUS.length && sameBytes(bytes, name, length, STATUS)) {
    if (status >= 0) return false;
    status = k;
  } else return false;
  return true;
}

/** Fields of one hop: HTTP/2 has no use for most (RFC 9113 8.2.2). */
function readOwn(kind: number, k: number, name: number, nameLength: number): boolean {
  const { spans: fields, bytes } = fieldLines;
  const value = fields[k + 2];
  const length = fields[k + 3];
  switch (kind) {
    case HOST:
      if (host >= 0) return false;
      host = k + 2;
      return true;
    case CONTENT_LENGTH: {
      const size = length === 0 || length > 15 ? -1 : digits(bytes, value, length);
      if (size < 0 || (contentLength >= 0 && contentLength !== size)) return false;
      contentLength = size;
      return true;
    }
    case EXPECT:
      if (isValue(bytes, value, length, CONTINUE)) expectContinue = true;
      else unknownExpectation = true;
      return true;
    default:
      // What is announced of trailers, and what an upgrade would have said, concerns nobody.
      return isValue(bytes, name, nameLength, TRAILER) || isValue(bytes, name, nameLength, SETTINGS);
  }
}

/** RFC 9113 8.3.1: who gives both says the same with both. */
function readAuthority(head: Head): boolean {
  const { spans: fields } = fieldLines;
  const at = authority >= 0 ? authority : host;
  if (at < 0) return true;
  const { bytes } = head;
  const start = fields[at];
  let length = fields[at + 1];
  if (length === 0) return false;
  if (authority >= 0 && host >= 0) {
    const one = bytes.latin1Slice(start, start + length).toLowerCase();
    const other = bytes.latin1Slice(fields[host], fields[host] + fields[host + 1]).toLowerCase();
    if (one !== other) return false;
  }
  if (!authorityAllowed(bytes, start, start + length, false)) return false;
  // RFC 3986 6.2.3: 'a.example:' is 'a.example'.
  if (bytes[start + length - 1] === COLON) length--;
  head.authorityStart = start;
  head.authorityLength = length;
  return true;
}

/** RFC 9113 8.2.3: what came in crumbs is one field to everybody else. */
function joinCookies(spans: number[]): void {
  const lines = fieldLines;
  const { bytes } = lines;
  let at = lines.end;
  let first = -1;
  let kept = 0;
  const begin = at;
  at = put(at, COOKIE);
  bytes[at++] = COLON;
  bytes[at++] = 32;
  const valueStart = at;
  for (let i = 0; i < spans.length; i += 4) {
    if (spans[i + 1] === COOKIE.length && sameBytes(bytes, spans[i], COOKIE.length, COOKIE)) {
      if (first >= 0) {
        bytes[at++] = 59;
        bytes[at++] = 32;
      }
      at += bytes.copy(bytes, at, spans[i + 2], spans[i + 2] + spans[i + 3]);
      if (first >= 0) continue;
      first = kept;
    }
    for (let k = 0; k < 4; k++) spans[kept++] = spans[i + k];
  }
  spans.length = kept;
  spans[first] = begin;
  spans[first + 2] = valueStart;
  spans[first + 3] = at - valueStart;
  bytes[at++] = 13;
  bytes[at++] = 10;
  lines.end = at;
}

function put(at: number, text: Uint8Array): number {
  for (let i = 0; i < text.length; i++) fieldLines.bytes[at + i] = text[i];
  return at + text.length;
}

/** The head of these fields, with bytes of its own. */
function made(spans: number[]): Head {
  const { bytes, end, count, never, spans: fields } = fieldLines;
  const head = new Head(copyOf(bytes, 0, end), spans);
  head.checked = true;
  head.contentLength = 0;
  for (let i = 0; i < count; i++) {
    if (never[i] === 0) continue;
    head.neverIndexed ??= [];
    head.neverIndexed.push(fields[i << 2]);
  }
  return head;
}

function isField(bytes: Buffer, name: number, nameLength: number, value: number, length: number): boolean {
  if (nameLength === 0) return false;
  for (let i = name; i < name + nameLength; i++) if (NAME_BYTE[bytes[i]] === 0) return false;
  return isText(bytes, value, length);
}

/** No control characters, and no blanks around it (RFC 9113 8.2.1). */
function isText(bytes: Buffer, start: number, length: number): boolean {
  if (length === 0) return true;
  const last = start + length - 1;
  for (let i = start; i <= last; i++) if (VALUE_BYTE[bytes[i]] === 0) return false;
  return bytes[start] !== 32 && bytes[start] !== 9 && bytes[last] !== 32 && bytes[last] !== 9;
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN_BYTE[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

function isTarget(bytes: Buffer, start: number, length: number, of: string): boolean {
  if (length === 0) return false;
  for (let i = start; i < start + length; i++) {
    const c = bytes[i];
    if (c <= 32 || c >= 127 || c === 35) return false;
  }
  return bytes[start] === 47 || (bytes[start] === 42 && length === 1 && of === 'OPTIONS');
}

/** A number of so many digits, or -1. */
function digits(bytes: Buffer, start: number, length: number): number {
  let value = 0;
  for (let i = start; i < start + length; i++) {
    const digit = bytes[i] - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
