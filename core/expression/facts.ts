// Where an expression's names are read from when an exchange has ended. Undefined: there is no such thing here.

import type { ExchangeRecord } from '../exchange/record.ts';
import { hostPort, splitHostPort } from '../host-port.ts';
import { FieldName, type Head } from '../http/head.ts';
import type { Workload } from '../workload.ts';
import type { MapName, Name } from './names.ts';
import type { Constant } from './tree.ts';

/** Durations are milliseconds. */
export type Fact = (record: ExchangeRecord) => Constant | undefined;

const USER_AGENT = new FieldName('user-agent');
const REFERER = new FieldName('referer');
const GRPC_STATUS = new FieldName('grpc-status');

export const FACTS: Readonly<Record<Exclude<Name, MapName>, Fact>> = {
  'request.path': ({ requestHead }) => requestHead?.path,
  'request.url_path': ({ requestHead }) => requestHead?.path.split('?', 1)[0],
  'request.query': ({ requestHead }) => requestHead?.path.split('?').slice(1).join('?'),
  'request.host': ({ requestHead }) => requestHead?.authority,
  'request.scheme': ({ requestHead }) => requestHead?.scheme,
  'request.method': ({ requestHead }) => text(requestHead?.method),
  'request.referer': ({ requestHead }) => requestHead?.get(REFERER),
  'request.useragent': ({ requestHead }) => requestHead?.get(USER_AGENT),
  'request.id': ({ requestId }) => text(requestId),
  'request.protocol': ({ protocol }) => text(protocol),
  'request.duration': ({ durationMs }) => atLeastZero(durationMs),
  'request.size': ({ bytesReceived }) => bytesReceived,
  'request.total_size': ({ bytesReceived }) => bytesReceived,
  'response.code': ({ responseCode }) => responseCode,
  'response.code_details': ({ responseCodeDetails }) => text(responseCodeDetails),
  'response.flags': ({ flags }) => flags,
  'response.grpc_status': grpcStatus,
  'response.size': ({ bytesSent }) => bytesSent,
  'response.total_size': ({ bytesSent }) => bytesSent,
  'response.duration': ({ responseStartMs }) => atLeastZero(responseStartMs),
  'response.backend_latency': ({ upstreamServiceMs }) => atLeastZero(upstreamServiceMs),
  'connection.id': ({ connection }) => connection.id,
  'connection.mtls': () => false,
  'connection.uri_san_peer_certificate': (record) =>
    record.direction === 'outbound' || record.sourcePrincipal === '' ? undefined : `spiffe://${record.sourcePrincipal}`,
  'upstream.address': ({ upstreamHost }) => text(upstreamHost),
  'upstream.port': ({ upstreamHost }) => portOf(upstreamHost),
  'upstream.local_address': ({ upstreamLocalAddress }) => text(upstreamLocalAddress),
  'upstream.transport_failure_reason': ({ upstreamTransportFailure }) => text(upstreamTransportFailure),
  'upstream.request_attempt_count': ({ attempts }) => attempts,
  'xds.cluster_name': ({ clusterName }) => text(clusterName),
  'xds.route_name': ({ routeName }) => text(routeName),
  'xds.listener_direction': ({ direction }) => (direction === 'inbound' ? 1 : 2),
  'source.address': ({ connection }) => place(connection.remoteAddress, connection.remotePort),
  'source.port': ({ connection }) => connection.remotePort,
  'source.principal': ({ sourcePrincipal }) => text(sourcePrincipal),
  'source.name': ({ source }) => source?.name,
  'source.namespace': ({ source }) => source?.namespace,
  'source.workload.name': ({ source }) => source?.workload,
  'source.workload.namespace': ({ source }) => source?.namespace,
  'destination.address': ({ connection, destinationPort }) =>
    place(connection.localAddress, destinationPort || connection.localPort),
  'destination.port': ({ connection, destinationPort }) => destinationPort || connection.localPort,
  'destination.name': ({ destination }) => destination?.name,
  'destination.namespace': ({ destination }) => destination?.namespace,
  'destination.workload.name': ({ destination }) => destination?.workload,
  'destination.workload.namespace': ({ destination }) => destination?.namespace,
  'destination.service.host': ({ destinationService }) => text(destinationService),
  'downstream_peer.name': ({ source }) => source?.name,
  'downstream_peer.namespace': ({ source }) => source?.namespace,
  'downstream_peer.workload': ({ source }) => source?.workload,
  'downstream_peer.app': ({ source }) => label(source, 'app'),
  'downstream_peer.version': ({ source }) => label(source, 'version'),
  'upstream_peer.name': ({ destination }) => destination?.name,
  'upstream_peer.namespace': ({ destination }) => destination?.namespace,
  'upstream_peer.workload': ({ destination }) => destination?.workload,
  'upstream_peer.app': ({ destination }) => label(destination, 'app'),
  'upstream_peer.version': ({ destination }) => label(destination, 'version'),
};

/** One entry of a map. Several headers of one name are joined by commas. */
export function entryOf(map: MapName, key: string): (record: ExchangeRecord) => string | undefined {
  switch (map) {
    case 'request.headers':
      return requestField(key.toLowerCase());
    case 'response.headers':
      if (key === ':status') return ({ responseCode }) => String(responseCode);
      return field(key, ({ responseHead }) => responseHead);
    case 'response.trailers':
      return field(key, ({ responseTrailers }) => responseTrailers);
    case 'source.labels':
    case 'downstream_peer.labels':
      return ({ source }) => label(source, key);
    case 'destination.labels':
    case 'upstream_peer.labels':
      return ({ destination }) => label(destination, key);
  }
}

function requestField(name: string): (record: ExchangeRecord) => string | undefined {
  switch (name) {
    case ':method':
      return ({ requestHead }) => requestHead?.method;
    case ':path':
      return ({ requestHead }) => requestHead?.path;
    case ':authority':
    case 'host':
      return ({ requestHead }) => requestHead?.authority;
    case ':scheme':
      return ({ requestHead }) => requestHead?.scheme;
    case 'x-envoy-original-path':
      return ({ originalPath }) => originalPath ?? undefined;
    case 'x-request-id':
      return ({ requestId }) => text(requestId);
    default:
      return field(name, ({ requestHead }) => requestHead);
  }
}

function field(
  name: string,
  of: (record: ExchangeRecord) => Head | null,
): (record: ExchangeRecord) => string | undefined {
  const prepared = new FieldName(name);
  return (record) => of(record)?.joined(prepared, ',');
}

function label(workload: Workload | null, name: string): string | undefined {
  return workload !== null && Object.hasOwn(workload.labels, name) ? workload.labels[name] : undefined;
}

function grpcStatus({ responseTrailers, responseHead }: ExchangeRecord): number | undefined {
  const status = responseTrailers?.get(GRPC_STATUS) ?? responseHead?.get(GRPC_STATUS);
  return status !== undefined && /^\d{1,2}$/.test(status) ? Number(status) : undefined;
}

function portOf(hostAndPort: string): number | undefined {
  return hostAndPort === '' ? undefined : splitHostPort(hostAndPort).port;
}

function place(address: string, port: number): string | undefined {
  return address === '' ? undefined : hostPort(address, port);
}

function text(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function atLeastZero(value: number): number | undefined {
  return value < 0 ? undefined : value;
}
