// The operators of an access-log format: what stands between percent signs, compiled once into a function that reads one
// value from an exchange's record. What is not known is null.

import { hostname } from 'node:os';
import { flagNames, longFlagNames } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { hostPort } from '../host-port.ts';
import { FieldName, type Head } from '../http/head.ts';
import { timeFormat } from './start-time.ts';

export type Value = string | number | null;
export type Operator = (record: ExchangeRecord) => Value;

export class UnknownOperator extends Error {}

const TRACE_PARENT = new FieldName('traceparent');
const B3_TRACE_ID = new FieldName('x-b3-traceid');
const GRPC_STATUS = new FieldName('grpc-status');
/** A header may have 60 KiB; a column of a log need not. */
const MAX_VALUE = 4096;

/** `%NAME%`, `%NAME(ARGUMENT)%` or `%NAME(ARGUMENT):MAX%` without the percent signs. Throws UnknownOperator. */
export function operator(name: string, argument: string | undefined, max = MAX_VALUE): Operator {
  const plain = argument === undefined && Object.hasOwn(PLAIN, name) ? PLAIN[name] : null;
  const make = argument !== undefined && Object.hasOwn(WITH_ARGUMENT, name) ? WITH_ARGUMENT[name] : null;
  const read = plain ?? make?.(argument!) ?? null;
  if (read === null) {
    const known = Object.hasOwn(PLAIN, name)
      ? ' takes no argument'
      : Object.hasOwn(WITH_ARGUMENT, name)
        ? ' needs an argument'
        : '';
    const shown = `%${name}${argument === undefined ? '' : `(${argument})`}%`;
    throw new UnknownOperator(known === '' ? `unknown operator ${shown}` : `${shown}: this operator${known}`);
  }
  const limit = Math.min(max, MAX_VALUE);
  return (record) => {
    const value = read(record);
    return typeof value === 'string' && value.length > limit ? value.slice(0, limit) : value;
  };
}

const PLAIN: Readonly<Record<string, Operator>> = {
  START_TIME: withTime(undefined),
  PROTOCOL: (record) => text(record.protocol),
  RESPONSE_CODE: (record) => record.responseCode,
  RESPONSE_CODE_DETAILS: (record) => text(record.responseCodeDetails.replaceAll(' ', '_')),
  RESPONSE_FLAGS: (record) => flagNames(record.flags),
  RESPONSE_FLAGS_LONG: (record) => longFlagNames(record.flags),
  CONNECTION_TERMINATION_DETAILS: () => null,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (record) => text(record.upstreamTransportFailure),
  BYTES_RECEIVED: (record) => record.bytesReceived,
  BYTES_SENT: (record) => record.bytesSent,
  DURATION: (record) => duration(record.durationMs),
  REQUEST_DURATION: (record) => duration(record.requestEndMs),
  RESPONSE_DURATION: (record) => duration(record.responseStartMs),
  RESPONSE_TX_DURATION: (record) =>
    record.responseStartMs < 0 || record.durationMs < 0 ? null : duration(record.durationMs - record.responseStartMs),
  UPSTREAM_HOST: (record) => text(record.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: (record) => text(record.upstreamHost),
  UPSTREAM_CLUSTER: (record) => text(record.clusterName),
  UPSTREAM_CLUSTER_RAW: (record) => text(record.clusterName),
  UPSTREAM_LOCAL_ADDRESS: (record) => text(record.upstreamLocalAddress),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (record) => record.attempts,
  DOWNSTREAM_LOCAL_ADDRESS: ({ connection }) => place(connection.localAddress, connection.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ connection }) => text(connection.localAddress),
  DOWNSTREAM_LOCAL_PORT: ({ connection }) => connection.localPort,
  DOWNSTREAM_REMOTE_ADDRESS: ({ connection }) => place(connection.remoteAddress, connection.remotePort),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ connection }) => text(connection.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: ({ connection }) => connection.remotePort,
  DOWNSTREAM_PEER_URI_SAN: (record) =>
    record.direction === 'outbound' || record.sourcePrincipal === '' ? null : `spiffe://${record.sourcePrincipal}`,
  REQUESTED_SERVER_NAME: () => null,
  ROUTE_NAME: (record) => text(record.routeName),
  CONNECTION_ID: ({ connection }) => connection.id,
  HOSTNAME: () => HOSTNAME,
  TRACE_ID: traceId,
  GRPC_STATUS_NUMBER: grpcStatus,
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
  RESP: (argument) => alternatives(argument, responseField),
  TRAILER: (argument) => alternatives(argument, (name) => field(name, (record) => record.responseTrailers)),
  // Nothing sets metadata or filter state, so there is never a value.
  DYNAMIC_METADATA: () => () => null,
  FILTER_STATE: () => () => null,
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
  switch (name) {
    case ':method':
      return (record) => text(record.requestHead?.method);
    case ':path':
      return (record) => text(record.requestHead?.path);
    case ':authority':
      return (record) => text(record.requestHead?.authority);
    case ':scheme':
      return (record) => text(record.requestHead?.scheme);
    case 'x-envoy-original-path':
      return (record) => record.originalPath;
    case 'x-request-id':
      return (record) => text(record.requestId);
    default:
      return field(name, (record) => record.requestHead);
  }
}

function responseField(name: string): Operator {
  if (name === ':status') return (record) => record.responseCode;
  if (name === 'x-envoy-upstream-service-time') {
    return ({ upstreamServiceMs }) => (upstreamServiceMs < 0 ? null : String(upstreamServiceMs));
  }
  return field(name, (record) => record.responseHead);
}

function field(name: string, head: (record: ExchangeRecord) => Head | null): Operator {
  if (name.startsWith(':')) throw new UnknownOperator(`there is no pseudo-header ${name} here`);
  const prepared = new FieldName(name);
  return (record) => text(head(record)?.joined(prepared, ','));
}

function withTime(format: string | undefined): Operator {
  const print = timeFormat(format);
  return (record) => print(record.startTime);
}

function text(value: string | undefined): string | null {
  return value === undefined || value === '' ? null : value;
}

function duration(ms: number): number | null {
  return ms < 0 ? null : Math.floor(ms);
}

function place(address: string, port: number): string | null {
  return address === '' ? null : hostPort(address, port);
}

/** W3C's, else B3's. */
function traceId({ requestHead }: ExchangeRecord): string | null {
  const parent = requestHead?.get(TRACE_PARENT);
  if (parent !== undefined && /^[\da-f]{2}-[\da-f]{32}-/.test(parent)) return parent.slice(3, 35);
  const b3 = requestHead?.get(B3_TRACE_ID);
  return b3 !== undefined && /^[\da-f]{16,32}$/i.test(b3) ? b3 : null;
}

function grpcStatus({ responseTrailers, responseHead }: ExchangeRecord): number | null {
  const status = responseTrailers?.get(GRPC_STATUS) ?? responseHead?.get(GRPC_STATUS);
  return status !== undefined && /^\d{1,2}$/.test(status) ? Number(status) : null;
}
