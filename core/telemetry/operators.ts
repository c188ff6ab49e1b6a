// The operators of an access-log format: what stands between percent signs, compiled once into a function that reads one
// value from an exchange's record, mostly an attribute of it. What is not known is undefined.

import { hostname } from 'node:os';
import { ATTRIBUTES, type Reader } from '../attributes.ts';
import { flagNames, longFlagNames } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { hostPort } from '../host-port.ts';
import { FieldName } from '../http/head.ts';
import { timeFormat } from './start-time.ts';

export type Value = string | number | undefined;
export type Operator = (record: ExchangeRecord) => Value;

export class UnknownOperator extends Error {}

const TRACE_PARENT = new FieldName('traceparent');
const B3_TRACE_ID = new FieldName('x-b3-traceid');
/** A header may have 60 KiB; a column of a log need not. */
const MAX_VALUE = 4096;

/** As `operatorNamed`, of texts at most `max` characters: as much as a log is given of one. */
export function operator(name: string, argument: string | undefined, max = MAX_VALUE): Operator {
  const read = operatorNamed(name, argument);
  const limit = Math.min(max, MAX_VALUE);
  return (record) => {
    const value = read(record);
    return typeof value === 'string' && value.length > limit ? value.slice(0, limit) : value;
  };
}

/** `%NAME%` or `%NAME(ARGUMENT)%` without the percent signs. Throws UnknownOperator. */
export function operatorNamed(name: string, argument: string | undefined): Operator {
  const plain = argument === undefined && Object.hasOwn(PLAIN, name) ? PLAIN[name] : null;
  const make = argument !== undefined && Object.hasOwn(WITH_ARGUMENT, name) ? WITH_ARGUMENT[name] : null;
  const read = plain ?? make?.(argument!) ?? null;
  if (read !== null) return read;
  const known = Object.hasOwn(PLAIN, name)
    ? ' takes no argument'
    : Object.hasOwn(WITH_ARGUMENT, name)
      ? ' needs an argument'
      : '';
  const shown = `%${name}${argument === undefined ? '' : `(${argument})`}%`;
  throw new UnknownOperator(known === '' ? `unknown operator ${shown}` : `${shown}: this operator${known}`);
}

const CODE = ATTRIBUTES['response.code'].read;
const DETAILS = ATTRIBUTES['response.code_details'].read;

const PLAIN: Readonly<Record<string, Operator>> = {
  START_TIME: withTime(undefined),
  PROTOCOL: ATTRIBUTES['request.protocol'].read,
  RESPONSE_CODE: (record) => CODE(record) ?? 0,
  RESPONSE_CODE_DETAILS: (record) => DETAILS(record)?.replaceAll(' ', '_'),
  RESPONSE_FLAGS: ({ flags }) => flagNames(flags),
  RESPONSE_FLAGS_LONG: ({ flags }) => longFlagNames(flags),
  CONNECTION_TERMINATION_DETAILS: ATTRIBUTES['connection.termination_details'].read,
  UPSTREAM_TRANSPORT_FAILURE_REASON: ATTRIBUTES['upstream.transport_failure_reason'].read,
  BYTES_RECEIVED: ({ bytesReceived }) => bytesReceived,
  BYTES_SENT: ATTRIBUTES['response.size'].read,
  DURATION: whole(ATTRIBUTES['request.duration'].read),
  REQUEST_DURATION: whole(({ requestEndMs }) => (requestEndMs < 0 ? undefined : requestEndMs)),
  RESPONSE_DURATION: whole(ATTRIBUTES['response.duration'].read),
  RESPONSE_TX_DURATION: whole(({ responseStartMs, durationMs }) =>
    responseStartMs < 0 || durationMs < 0 ? undefined : durationMs - responseStartMs,
  ),
  UPSTREAM_HOST: ATTRIBUTES['upstream.address'].read,
  UPSTREAM_REMOTE_ADDRESS: ATTRIBUTES['upstream.address'].read,
  UPSTREAM_CLUSTER: ATTRIBUTES['xds.cluster_name'].read,
  UPSTREAM_CLUSTER_RAW: ATTRIBUTES['xds.cluster_name'].read,
  UPSTREAM_LOCAL_ADDRESS: ATTRIBUTES['upstream.local_address'].read,
  UPSTREAM_TLS_VERSION: ATTRIBUTES['upstream.tls_version'].read,
  UPSTREAM_PEER_SUBJECT: ATTRIBUTES['upstream.subject_peer_certificate'].read,
  UPSTREAM_PEER_URI_SAN: ATTRIBUTES['upstream.uri_san_peer_certificate'].read,
  UPSTREAM_PEER_DNS_SAN: ATTRIBUTES['upstream.dns_san_peer_certificate'].read,
  UPSTREAM_LOCAL_URI_SAN: ATTRIBUTES['upstream.uri_san_local_certificate'].read,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ATTRIBUTES['upstream.request_attempt_count'].read,
  // Where it was accepted; 'destination.address' is whom it is for.
  DOWNSTREAM_LOCAL_ADDRESS: ({ connection: { localAddress, localPort } }) =>
    localAddress === '' ? undefined : hostPort(localAddress, localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ connection }) => connection.localAddress || undefined,
  DOWNSTREAM_LOCAL_PORT: ({ connection }) => connection.localPort,
  DOWNSTREAM_REMOTE_ADDRESS: ATTRIBUTES['source.address'].read,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ connection }) => connection.remoteAddress || undefined,
  DOWNSTREAM_REMOTE_PORT: ATTRIBUTES['source.port'].read,
  DOWNSTREAM_PEER_URI_SAN: ATTRIBUTES['connection.uri_san_peer_certificate'].read,
  DOWNSTREAM_LOCAL_URI_SAN: ATTRIBUTES['connection.uri_san_local_certificate'].read,
  DOWNSTREAM_PEER_SUBJECT: ATTRIBUTES['connection.subject_peer_certificate'].read,
  DOWNSTREAM_PEER_FINGERPRINT_256: ATTRIBUTES['connection.sha256_peer_certificate_digest'].read,
  DOWNSTREAM_TLS_VERSION: ATTRIBUTES['connection.tls_version'].read,
  REQUESTED_SERVER_NAME: ATTRIBUTES['connection.requested_server_name'].read,
  ROUTE_NAME: ATTRIBUTES['xds.route_name'].read,
  CONNECTION_ID: ATTRIBUTES['connection.id'].read,
  HOSTNAME: () => HOSTNAME,
  TRACE_ID: traceId,
  GRPC_STATUS_NUMBER: ATTRIBUTES['response.grpc_status'].read,
};

const HOSTNAME = hostname();

/** What these print is the proxy's own or the system's choice of words, never a peer's: it needs no escaping. */
export const OWN_WORDS: ReadonlySet<string> = new Set([
  'START_TIME',
  'PROTOCOL',
  'RESPONSE_FLAGS',
  'RESPONSE_FLAGS_LONG',
  'UPSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
]);

const WITH_ARGUMENT: Readonly<Record<string, (argument: string) => Operator>> = {
  START_TIME: withTime,
  REQ: (argument) => alternatives(argument, requestField),
  RESP: (argument) => alternatives(argument, (name) => field('response.headers', name, [':status'])),
  TRAILER: (argument) => alternatives(argument, (name) => field('response.trailers', name, [])),
  // Nothing sets metadata or filter state, so there is never a value.
  DYNAMIC_METADATA: () => () => undefined,
  FILTER_STATE: () => () => undefined,
};

/** 'X?Y': the first that is there. */
function alternatives(argument: string, read: (name: string) => Operator): Operator {
  const names = argument.split('?').map((name) => name.trim().toLowerCase());
  if (names.length > 2 || names.includes('')) {
    throw new UnknownOperator(`(${argument}) is not the name of a header, or of two as X?Y`);
  }
  const [first, second] = names.map(read);
  return second === undefined ? first : (record) => first(record) ?? second(record);
}

function requestField(name: string): Operator {
  // The one that the proxy chose, of those that came.
  if (name === 'x-request-id') return ATTRIBUTES['request.id'].read;
  return field('request.headers', name, [':method', ':path', ':authority', ':scheme']);
}

function field(
  map: 'request.headers' | 'response.headers' | 'response.trailers',
  name: string,
  pseudo: readonly string[],
): Operator {
  if (name.startsWith(':') && !pseudo.includes(name)) {
    throw new UnknownOperator(`there is no pseudo-header ${name} here`);
  }
  const read = ATTRIBUTES[map].entry(name);
  return (record) => read(record) || undefined;
}

function withTime(format: string | undefined): Operator {
  const print = timeFormat(format);
  return (record) => print(record.startTime);
}

function whole(read: Reader<ExchangeRecord, number>): Operator {
  return (record) => {
    const ms = read(record);
    return ms === undefined ? undefined : Math.floor(ms);
  };
}

/** W3C's, else B3's. */
function traceId({ requestHead }: ExchangeRecord): string | undefined {
  const parent = requestHead?.get(TRACE_PARENT);
  if (parent !== undefined && /^[\da-f]{2}-[\da-f]{32}-/.test(parent)) return parent.slice(3, 35);
  const b3 = requestHead?.get(B3_TRACE_ID);
  return b3 !== undefined && /^[\da-f]{16,32}$/i.test(b3) ? b3 : undefined;
}
