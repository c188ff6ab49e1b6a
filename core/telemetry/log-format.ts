// Access-log formats, compiled once: a list of literals and operators becomes a function from a record to a line. No value
// can forge a line or a column: what would end either is written as \xHH in text, and by JSON's own rules in JSON.

import { isUtf8 } from 'node:buffer';
import type { ExchangeRecord } from '../exchange/record.ts';
import { atPlace, parseFormat, wireText } from './format.ts';
import { type Operator, OWN_WORDS, operator, type Value } from './operators.ts';

/** One exchange as a line, with its line feed. */
export type LineFormat = (record: ExchangeRecord) => string;

/** Istio's default. */
export const ISTIO_TEXT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** Istio's default as JSON. */
export const ISTIO_JSON: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** A line of text as `format` says; '-' for what is not known or empty. Throws BadFormat. */
export function compileFormat(format: string): LineFormat {
  const parts = parse(format.endsWith('\n') ? format : `${format}\n`);
  return (record) => {
    let line = '';
    for (const part of parts) {
      line += part.literal;
      if (part.read === null) continue;
      const value = part.read(record);
      line += value === undefined || value === '' ? '-' : typeof value === 'string' ? part.escape(value) : value;
    }
    return line;
  };
}

/** A JSON object a line. A key whose format is one operator keeps its type, and null when it is not known. Throws BadFormat. */
export function compileJsonFormat(keys: Readonly<Record<string, string>>): LineFormat {
  const entries = Object.entries(keys).map(([key, format], index) => ({
    prefix: `${index === 0 ? '' : ','}${JSON.stringify(key)}:`,
    read: jsonValue(format),
  }));
  return (record) => {
    let line = '{';
    for (const { prefix, read } of entries) {
      const value = read(record);
      line += prefix;
      line += typeof value === 'string' ? jsonString(value) : (value ?? 'null');
    }
    return `${line}}\n`;
  };
}

interface Part {
  readonly literal: string;
  /** The operator after the literal. */
  readonly read: Operator | null;
  readonly escape: (value: string) => string;
}

function parse(format: string): Part[] {
  let quoted = false;
  return parseFormat(format).map(({ literal, name, argument, max, at }) => {
    for (const character of literal) if (character === '"') quoted = !quoted;
    if (name === null) return { literal, read: null, escape: escapeBare };
    const read = atPlace(format, at, () => operator(name, argument, max));
    return { literal, read, escape: OWN_WORDS.has(name) ? asItIs : quoted ? escapeQuoted : escapeBare };
  });
}

function jsonValue(format: string): Operator {
  const parts = parse(format);
  const [first, last] = parts;
  if (parts.length === 2 && first.literal === '' && last.literal === '') return first.read!;
  return (record): Value => {
    let value = '';
    for (const { literal, read } of parts) value += literal + (read === null ? '' : (read(record) ?? '-'));
    return value;
  };
}

function asItIs(value: string): string {
  return value;
}

const PLAIN_QUOTED = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const PLAIN_BARE = /^[\x21\x23-\x5b\x5d-\x7e]*$/;

function escapeQuoted(value: string): string {
  return PLAIN_QUOTED.test(value) ? value : wireText(value).replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, hex);
}

/** Between quotes a space is part of the value; elsewhere it would begin the next column. */
function escapeBare(value: string): string {
  return PLAIN_BARE.test(value) ? value : wireText(value).replace(/[^\x21\x23-\x5b\x5d-\x7e]/g, hex);
}

const WIDE = /[\u0100-\uffff]/;

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** Valid in JSON, and yet ends of lines, controls of a terminal or reversals of direction for whoever looks at it. */
const TREACHEROUS = /[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Bytes that are UTF-8 are read as such, others as latin1. */
function jsonString(value: string): string {
  if (PLAIN_QUOTED.test(value)) return `"${value}"`;
  const bytes = Buffer.from(value, WIDE.test(value) ? 'utf8' : 'latin1');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : value;
  return JSON.stringify(text).replace(TREACHEROUS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
