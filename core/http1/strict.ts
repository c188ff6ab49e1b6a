// From a head's lines to a Head: what its fields may say, and the framing that they announce. The line between a message and
// an attack is drawn here; a refusal is a FailureCode, and no byte of a refused message is forwarded.

import type { FailureCode } from '../errors.ts';
import { Head } from '../http/head.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  ConnectionOptions,
  classify,
  codesOf,
  EXPECT,
  HOST,
  isValue,
  memberAt,
  OTHER,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from './fields.ts';
import { headParser, INCOMPLETE, MALFORMED, NOT_HTTP } from './head-parser.ts';
import { ABSOLUTE_FORM, AUTHORITY_FORM, authorityAllowed, Target } from './target.ts';

export type Reading = 'complete' | 'incomplete' | FailureCode;

export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

/** How a body is delimited. */
export const NO_BODY = 0;
export const FIXED = 1;
export const CHUNKED = 2;
export const UNTIL_CLOSE = 3;
/** No message any more: bytes of another protocol, until the connection ends. */
export const UPGRADED = 4;

/** What the last head said, beside the Head itself. One a shard and kind; copy what outlives the next head. */
export interface MessageFacts {
  /** Null when not even the start line could be read. Also set with a refusal, for the log. */
  head: Head | null;
  /** Offset after the head. */
  end: number;
  http10: boolean;
  keepAlive: boolean;
  body: number;
}

export interface RequestFacts extends MessageFacts {
  /** 'unknown_expectation': well framed, but answered here. '' otherwise. */
  refused: FailureCode | '';
}

const CHUNKED_CODING = codesOf('chunked');
const TRAILERS = codesOf('trailers');
const CONTINUE = codesOf('100-continue');

const target = new Target();
/** With which TLS begins: RFC 8446 5.1. */
const HANDSHAKE = 0x16;

const options = new ConnectionOptions();

// Found by `collect`, read by the two functions that call it.
let hosts = 0;
let hostStart = 0;
let hostLength = 0;
let lengths = 0;
let contentLength = 0;
let codings = 0;
let chunked = false;
let upgrade = false;
let expectation = false;
let expectContinue = false;
let te = false;

export const requestFacts: RequestFacts = {
  head: null,
  end: 0,
  http10: false,
  keepAlive: false,
  body: NO_BODY,
  refused: '',
};

export const responseFacts: MessageFacts = { head: null, end: 0, http10: false, keepAlive: false, body: NO_BODY };

/** Reads a request's head at `start` into `requestFacts`. */
export function readRequestHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  mode: 'reverse' | 'forward',
): Reading {
  const facts = requestFacts;
  facts.head = null;
  facts.refused = '';
  const after = headParser.request(bytes, start, end, limits.maxFields);
  if (after === INCOMPLETE) return 'incomplete';
  if (after === NOT_HTTP) return bytes[start] === HANDSHAKE ? 'tls_not_http' : 'not_http';
  if (after < 0) return after === MALFORMED ? 'bad_request' : 'headers_too_large';
  facts.end = after;
  const { method, targetStart, targetLength } = headParser;
  facts.http10 = headParser.minor === 0;

  const spans: number[] = [];
  const head = new Head(bytes, spans);
  head.checked = true;
  head.method = method;
  head.pathStart = targetStart;
  head.pathLength = targetLength;
  facts.head = head;
  if (!target.read(bytes, targetStart, targetLength, method)) return 'bad_request';
  if (!collect(bytes, spans)) return 'bad_request';
  if (hosts > 1) return 'bad_request';
  // RFC 9112 3.2: to be there is all that HTTP/1.1 asks of it; HTTP/1.0 does not know it.
  if (hosts === 0 && !facts.http10) return 'missing_host';
  if (hostLength !== 0 && !authorityAllowed(bytes, hostStart, hostStart + hostLength, false)) return 'bad_request';
  options.strip(bytes, spans);

  if (target.form === ABSOLUTE_FORM || target.form === AUTHORITY_FORM) {
    head.authorityStart = target.authorityStart;
    head.authorityLength = withoutEmptyPort(bytes, target.authorityStart, target.authorityLength);
    head.pathStart = target.pathStart;
    head.pathLength = target.pathLength;
    if (target.form === AUTHORITY_FORM) {
      if (codings !== 0 || contentLength !== 0) return 'bad_request';
      if (mode === 'reverse') return 'connect_refused';
    } else {
      if (target.https) head.scheme = 'https';
      // RFC 9112 3.2.4: OPTIONS of a whole server travels as "*".
      if (head.pathLength === 0) head.newPath = method === 'OPTIONS' ? '*' : '/';
      else if (bytes[head.pathStart] !== 47) head.newPath = `/${head.path}`;
    }
  } else {
    head.authorityStart = hostStart;
    head.authorityLength = withoutEmptyPort(bytes, hostStart, hostLength);
  }

  if (codings !== 0) {
    if (facts.http10 || codings > 1 || !chunked || lengths !== 0) return 'bad_request';
    facts.body = CHUNKED;
    head.contentLength = -1;
  } else {
    facts.body = contentLength === 0 ? NO_BODY : FIXED;
    head.contentLength = contentLength;
  }
  // RFC 9110 9.3.8: nobody may send it on.
  if (facts.body !== NO_BODY && method === 'TRACE') return 'bad_request';
  facts.keepAlive = facts.http10 ? options.keepAlive && !options.close : !options.close;
  head.te = te;
  head.expectContinue = expectContinue && !facts.http10 && facts.body !== NO_BODY;
  // An offer may be ignored (RFC 9110 7.8), and who makes it counts on that: h2c, TLS/1.2, whatever.
  if (upgrade && options.upgrade && !facts.http10 && method === 'GET' && facts.body === NO_BODY) {
    head.upgrade = 'websocket';
    facts.body = UPGRADED;
    head.contentLength = -1;
  } else if (expectation && !facts.http10) facts.refused = 'unknown_expectation';
  return 'complete';
}

/** Reads a response's head at `start` into `responseFacts`. `bodyless`: it answers HEAD. */
export function readResponseHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  bodyless: boolean,
): Reading {
  const facts = responseFacts;
  facts.head = null;
  const after = headParser.response(bytes, start, end, limits.maxFields);
  if (after <= 0) {
    return after === INCOMPLETE ? 'incomplete' : after === MALFORMED ? 'protocol_error' : 'upstream_headers_too_large';
  }
  facts.end = after;
  const { status } = headParser;
  if (status < 100) return 'protocol_error';
  facts.http10 = headParser.minor === 0;

  const spans: number[] = [];
  const head = new Head(bytes, spans);
  head.checked = true;
  head.status = status;
  facts.head = head;
  if (!collect(bytes, spans)) return 'protocol_error';
  options.strip(bytes, spans);
  if (codings !== 0 && (facts.http10 || codings > 1 || !chunked || lengths !== 0)) return 'protocol_error';

  facts.keepAlive = facts.http10 ? options.keepAlive && !options.close : !options.close;
  if (status === 101) {
    // RFC 9110 15.2.2: it says to what.
    if (!upgrade || !options.upgrade) return 'protocol_error';
    facts.body = UPGRADED;
    facts.keepAlive = false;
    head.contentLength = -1;
  } else if (status < 200 || status === 204) {
    facts.body = NO_BODY;
    head.contentLength = 0;
  } else if (bodyless || status === 304) {
    facts.body = NO_BODY;
    head.contentLength = lengths === 0 ? -1 : contentLength;
  } else if (codings !== 0) {
    facts.body = CHUNKED;
    head.contentLength = -1;
  } else if (lengths !== 0) {
    facts.body = contentLength === 0 ? NO_BODY : FIXED;
    head.contentLength = contentLength;
  } else {
    facts.body = UNTIL_CLOSE;
    facts.keepAlive = false;
    head.contentLength = -1;
  }
  return 'complete';
}

/** Sorts the parser's fields into `spans` and the variables above. False: a field that no honest peer sends. */
function collect(bytes: Buffer, spans: number[]): boolean {
  const { fields, count } = headParser;
  hosts = 0;
  hostStart = 0;
  hostLength = 0;
  lengths = 0;
  contentLength = 0;
  codings = 0;
  chunked = false;
  upgrade = false;
  expectation = false;
  expectContinue = false;
  te = false;
  options.clear();
  for (let i = 0; i < count; i++) {
    const k = i << 2;
    const nameStart = fields[k];
    const nameLength = fields[k + 1];
    const valueStart = fields[k + 2];
    const valueLength = fields[k + 3];
    const kind = classify(bytes, nameStart, nameLength);
    if (kind === OTHER) spans.push(nameStart, nameLength, valueStart, valueLength);
    else if (kind === TE) {
      // The one member that may travel: this codec carries trailers.
      const member = te ? -1 : memberAt(bytes, valueStart, valueLength, TRAILERS);
      if (member >= 0) {
        spans.push(nameStart, nameLength, member, TRAILERS.length);
        te = true;
      }
    } else if (!readOwn(kind, bytes, valueStart, valueLength)) return false;
  }
  return true;
}

function readOwn(kind: number, bytes: Buffer, start: number, length: number): boolean {
  switch (kind) {
    case HOST:
      hosts++;
      hostStart = start;
      hostLength = length;
      return true;
    case CONTENT_LENGTH:
      contentLength = decimal(bytes, start, length);
      return ++lengths === 1 && contentLength >= 0;
    case TRANSFER_ENCODING:
      codings++;
      chunked = isValue(bytes, start, length, CHUNKED_CODING);
      return true;
    case CONNECTION:
      return options.read(bytes, start, length);
    case UPGRADE:
      if (offersWebSocket(bytes, start, length)) upgrade = true;
      return true;
    case EXPECT:
      if (isValue(bytes, start, length, CONTINUE)) expectContinue = true;
      else expectation = true;
      return true;
    default:
      return true;
  }
}

/** Whether it is among what is offered (RFC 6455 4.2.1). */
function offersWebSocket(bytes: Buffer, start: number, length: number): boolean {
  return WEBSOCKET.test(bytes.latin1Slice(start, start + length));
}

const WEBSOCKET = /(^|[,\t ])websocket($|[,\t ])/i;

/** RFC 3986 6.2.3: 'a.example:' is 'a.example'. */
function withoutEmptyPort(bytes: Buffer, start: number, length: number): number {
  return length > 0 && bytes[start + length - 1] === 58 ? length - 1 : length;
}

/** 1*DIGIT below 10^15, or -1. */
function decimal(bytes: Buffer, start: number, length: number): number {
  if (length === 0 || length > 15) return -1;
  let value = 0;
  for (let at = start; at < start + length; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
