// What can be asked about an exchange: the one table that properties of guests, expressions, operators of the access log and
// labels of metrics read. Names and meanings are Envoy's; those of workloads are Istio's. What is not known is undefined.

import type { ConnectionRecord, ExchangeRecord } from './exchange/record.ts';
import { hostPort, splitHostPort } from './host-port.ts';
import { FieldName, type Head } from './http/head.ts';
import { type HeadKind, headerBytes, isSynthetic, mapPairs, syntheticValue } from './http/pseudo-headers.ts';
import type { Workload } from './workload.ts';

/** Durations and timestamps are milliseconds, timestamps since the epoch. */
export type AttributeValue = string | number | boolean;
export type AttributeType = 'string' | 'int' | 'bool' | 'duration' | 'timestamp' | 'map';
export type Reader<R, V extends AttributeValue = AttributeValue> = (record: R) => V | undefined;

export type Entries = readonly (readonly [key: string, text: string])[];

interface Row {
  /** No filter changes it, unless by a foreign function. */
  readonly steady: boolean;
}

/** Of texts, 'wire': as they came, one character a byte; 'unicode': the mesh's own words. */
type Text = { readonly text: 'wire' | 'unicode' };

/** What has one value. */
export type ScalarAttribute<R = ExchangeRecord> = Row &
  (
    | ({ readonly type: 'string'; readonly read: Reader<R, string> } & Text)
    | { readonly type: 'int' | 'duration' | 'timestamp'; readonly read: Reader<R, number> }
    | { readonly type: 'bool'; readonly read: Reader<R, boolean> }
  );

/** Texts by their keys. */
export type MapAttribute<R = ExchangeRecord> = Row &
  Text & {
    readonly type: 'map';
    /** Who reads the text of this key. */
    readonly entry: (key: string) => Reader<R, string>;
    /** All of them; undefined: there is no such map. */
    readonly all: (record: R) => Entries | undefined;
  };

export type Attribute<R = ExchangeRecord> = ScalarAttribute<R> | MapAttribute<R>;

/** Who asks whom for what. */
export type PeersRecord = Pick<ExchangeRecord, 'source' | 'destination' | 'destinationService'>;

const USER_AGENT = new FieldName('user-agent');
const REFERER = new FieldName('referer');
const GRPC_STATUS = new FieldName('grpc-status');
const STEADY = true;

const connections = rowsOf<ConnectionRecord>();
const peers = rowsOf<PeersRecord>();
const exchanges = rowsOf<ExchangeRecord>();

export const OF_CONNECTION = {
  'source.address': connections.text(
    ({ connection }) => place(connection.remoteAddress, connection.remotePort),
    STEADY,
  ),
  'source.port': connections.int(({ connection }) => connection.remotePort, STEADY),
  'destination.address': connections.text(
    (record) => place(record.connection.localAddress, destinationPort(record)),
    STEADY,
  ),
  'destination.port': connections.int(destinationPort, STEADY),
  'connection.id': connections.int(({ connection }) => connection.id, STEADY),
  'xds.listener_direction': connections.int(({ direction }) => (direction === 'inbound' ? 1 : 2), STEADY),
  'connection.mtls': connections.bool(({ connection }) => some(connection.tls?.peerDigest) !== undefined, STEADY),
  'connection.requested_server_name': connections.text(
    ({ connection }) => some(connection.tls?.serverName ?? connection.serverName),
    STEADY,
  ),
  'connection.tls_version': connections.text(({ connection }) => connection.tls?.version, STEADY),
  'connection.subject_local_certificate': connections.text(unknown, STEADY),
  'connection.subject_peer_certificate': connections.text(
    ({ connection }) => some(connection.tls?.peerSubject),
    STEADY,
  ),
  'connection.dns_san_local_certificate': connections.text(unknown, STEADY),
  'connection.dns_san_peer_certificate': connections.text(({ connection }) => connection.tls?.peerNames[0], STEADY),
  'connection.uri_san_local_certificate': connections.text(({ connection }) => some(connection.tls?.localUri), STEADY),
  'connection.sha256_peer_certificate_digest': connections.text(
    ({ connection }) => some(connection.tls?.peerDigest),
    STEADY,
  ),
  'connection.peer_certificate': connections.text(unknown, STEADY),
  'connection.transport_failure_reason': connections.text(unknown, STEADY),
  'connection.termination_details': connections.text(({ terminationDetails }) => some(terminationDetails)),
} as const satisfies Readonly<Record<string, Attribute<ConnectionRecord>>>;

/** `source` is who the caller is or says that it is; who it is beyond doubt is `source.principal`. */
export const OF_PEERS = {
  'source.name': peers.text(({ source }) => source?.name, STEADY),
  'source.namespace': peers.text(({ source }) => source?.namespace, STEADY),
  'source.labels': labelsOf('source'),
  'source.workload.name': peers.text(({ source }) => source?.workload, STEADY),
  'source.workload.namespace': peers.text(({ source }) => source?.namespace, STEADY),
  'destination.name': peers.text(({ destination }) => destination?.name),
  'destination.namespace': peers.text(({ destination }) => destination?.namespace),
  'destination.labels': labelsOf('destination'),
  'destination.workload.name': peers.text(({ destination }) => destination?.workload),
  'destination.workload.namespace': peers.text(({ destination }) => destination?.namespace),
  'destination.service.host': peers.text(({ destinationService }) => some(destinationService)),
  'downstream_peer.name': peers.text(({ source }) => source?.name, STEADY),
  'downstream_peer.namespace': peers.text(({ source }) => source?.namespace, STEADY),
  'downstream_peer.workload': peers.text(({ source }) => source?.workload, STEADY),
  'downstream_peer.app': peers.text(({ source }) => label(source, 'app'), STEADY),
  'downstream_peer.version': peers.text(({ source }) => label(source, 'version'), STEADY),
  'downstream_peer.labels': labelsOf('source'),
  'upstream_peer.name': peers.text(({ destination }) => destination?.name),
  'upstream_peer.namespace': peers.text(({ destination }) => destination?.namespace),
  'upstream_peer.workload': peers.text(({ destination }) => destination?.workload),
  'upstream_peer.app': peers.text(({ destination }) => label(destination, 'app')),
  'upstream_peer.version': peers.text(({ destination }) => label(destination, 'version')),
  'upstream_peer.labels': labelsOf('destination'),
} as const satisfies Readonly<Record<string, Attribute<PeersRecord>>>;

export const ATTRIBUTES = {
  ...OF_CONNECTION,
  ...OF_PEERS,
  'request.path': exchanges.wire(({ requestHead }) => some(requestHead?.path)),
  'request.url_path': exchanges.wire(({ requestHead }) => some(requestHead?.path.split('?', 1)[0])),
  'request.query': exchanges.wire(({ requestHead }) => queryOf(requestHead)),
  'request.host': exchanges.wire(({ requestHead }) => some(requestHead?.authority)),
  'request.scheme': exchanges.wire(({ requestHead }) => some(requestHead?.scheme)),
  'request.method': exchanges.wire(({ requestHead }) => some(requestHead?.method)),
  'request.headers': fieldsOf('request', ({ requestHead }) => requestHead),
  'request.headers_bytes': exchanges.int(({ requestHead }) => bytesOf(requestHead, 'request')),
  'request.referer': exchanges.wire(({ requestHead }) => requestHead?.get(REFERER)),
  'request.useragent': exchanges.wire(({ requestHead }) => requestHead?.get(USER_AGENT)),
  'request.id': exchanges.wire(({ requestId }) => some(requestId), STEADY),
  'request.protocol': exchanges.wire(({ protocol }) => some(protocol), STEADY),
  'request.time': exchanges.timestamp(({ startTime }) => startTime, STEADY),
  'request.duration': exchanges.duration(({ durationMs }) => happened(durationMs)),
  /** As announced, if it is. */
  'request.size': exchanges.int(({ requestHead, bytesReceived }) =>
    requestHead !== null && requestHead.contentLength > 0 ? requestHead.contentLength : bytesReceived,
  ),
  'request.total_size': exchanges.int(
    ({ requestHead, bytesReceived }) => bytesReceived + bytesOf(requestHead, 'request'),
  ),
  'response.code': exchanges.int(({ responseCode }) => (responseCode === 0 ? undefined : responseCode)),
  'response.code_details': exchanges.text(({ responseCodeDetails }) => some(responseCodeDetails)),
  'response.flags': exchanges.int(({ flags }) => flags),
  'response.grpc_status': exchanges.int(grpcStatus),
  'response.headers': fieldsOf('response', ({ responseHead }) => responseHead),
  'response.headers_bytes': exchanges.int(({ responseHead }) => bytesOf(responseHead, 'response')),
  'response.trailers': fieldsOf('trailers', ({ responseTrailers }) => responseTrailers),
  'response.size': exchanges.int(({ bytesSent }) => bytesSent),
  'response.total_size': exchanges.int(
    ({ bytesSent, responseHead, responseTrailers }) =>
      bytesSent + bytesOf(responseHead, 'response') + bytesOf(responseTrailers, 'trailers'),
  ),
  /** To its head; not in Envoy. */
  'response.duration': exchanges.duration(({ responseStartMs }) => happened(responseStartMs)),
  /** From the end of the filters to the upstream's head; in Envoy to its last byte. */
  'response.backend_latency': exchanges.duration(({ upstreamServiceMs }) => happened(upstreamServiceMs)),
  /** Proven by the connection; this proxy's own where it calls for its application. */
  'source.principal': exchanges.text(({ sourcePrincipal }) => some(sourcePrincipal), STEADY),
  'connection.uri_san_peer_certificate': exchanges.text(peerUri, STEADY),
  'upstream.address': exchanges.text(({ upstreamHost }) => some(upstreamHost)),
  'upstream.port': exchanges.int(({ upstreamHost }) =>
    upstreamHost === '' ? undefined : splitHostPort(upstreamHost).port,
  ),
  'upstream.local_address': exchanges.text(({ upstreamLocalAddress }) => some(upstreamLocalAddress)),
  'upstream.transport_failure_reason': exchanges.text(({ upstreamTransportFailure }) => some(upstreamTransportFailure)),
  'upstream.request_attempt_count': exchanges.int(({ attempts }) => attempts),
  'upstream.num_endpoints': exchanges.int(({ clusterEndpoints, clusterName }) =>
    clusterName === '' ? undefined : clusterEndpoints,
  ),
  'upstream.tls_version': exchanges.text(({ upstreamTls }) => upstreamTls?.version),
  'upstream.subject_local_certificate': exchanges.text(unknown),
  'upstream.subject_peer_certificate': exchanges.text(({ upstreamTls }) => some(upstreamTls?.peerSubject)),
  'upstream.dns_san_local_certificate': exchanges.text(unknown),
  'upstream.dns_san_peer_certificate': exchanges.text(({ upstreamTls }) => upstreamTls?.peerNames[0]),
  'upstream.uri_san_local_certificate': exchanges.text(({ upstreamTls }) => some(upstreamTls?.localUri)),
  'upstream.uri_san_peer_certificate': exchanges.text(({ upstreamTls }) => some(upstreamTls?.peerUri)),
  'upstream.sha256_peer_certificate_digest': exchanges.text(({ upstreamTls }) => some(upstreamTls?.peerDigest)),
  'upstream.peer_certificate': exchanges.text(unknown),
  'xds.cluster_name': exchanges.text(({ clusterName }) => some(clusterName)),
  'xds.virtual_host_name': exchanges.text(({ virtualHostName }) => some(virtualHostName)),
  'xds.route_name': exchanges.text(({ routeName }) => some(routeName)),
  /** Of a caller whose identity is proven. */
  'weft.source_namespace': exchanges.text(provenNamespace, STEADY),
} as const satisfies Readonly<Record<string, Attribute>>;

export type AttributeName = keyof typeof ATTRIBUTES;

/** Null: there is no attribute of this name. */
export function attributeNamed(name: string): Attribute | null {
  return Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name as AttributeName] : null;
}

/** What makes rows of a table about such records. */
function rowsOf<R>() {
  const texts =
    (text: 'wire' | 'unicode') =>
    (read: Reader<R, string>, steady = false) =>
      ({ type: 'string', text, steady, read }) as const;
  const numbers =
    <T extends 'int' | 'duration' | 'timestamp'>(type: T) =>
    (read: Reader<R, number>, steady = false) =>
      ({ type, steady, read }) as const;
  return {
    wire: texts('wire'),
    text: texts('unicode'),
    int: numbers('int'),
    duration: numbers('duration'),
    timestamp: numbers('timestamp'),
    bool: (read: Reader<R, boolean>, steady = false) => ({ type: 'bool', steady, read }) as const,
  };
}

function unknown(): undefined {
  return undefined;
}

/** Undefined for the empty text, which says that there is nothing. */
function some(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Undefined for what has not happened. */
function happened(ms: number): number | undefined {
  return ms < 0 ? undefined : ms;
}

function place(address: string, port: number): string | undefined {
  return address === '' ? undefined : hostPort(address, port);
}

function destinationPort({ connection, destinationPort: port }: ConnectionRecord): number {
  return port || connection.localPort;
}

function labelsOf(end: 'source' | 'destination') {
  return {
    type: 'map',
    text: 'unicode',
    steady: false,
    entry: (key: string) => (record: PeersRecord) => label(record[end], key),
    all: (record: PeersRecord) => {
      const workload = record[end];
      return workload === null ? undefined : Object.entries(workload.labels);
    },
  } as const;
}

function label(workload: Workload | null, name: string): string | undefined {
  return workload !== null && Object.hasOwn(workload.labels, name) ? workload.labels[name] : undefined;
}

function fieldsOf(kind: HeadKind, of: (record: ExchangeRecord) => Head | null) {
  return {
    type: 'map',
    text: 'wire',
    steady: false,
    entry: (key: string) => fieldOf(kind, of, key.toLowerCase()),
    all: (record: ExchangeRecord) => {
      const head = of(record);
      return head === null ? undefined : mapPairs(head, kind);
    },
  } as const;
}

/** Several fields of one name are joined by commas. */
function fieldOf(
  kind: HeadKind,
  of: (record: ExchangeRecord) => Head | null,
  name: string,
): Reader<ExchangeRecord, string> {
  // What a client says of a path before this proxy's is none of it.
  if (kind === 'request' && name === 'x-envoy-original-path') return ({ originalPath }) => originalPath ?? undefined;
  if (isSynthetic(kind, name)) {
    return (record) => {
      const head = of(record);
      return head === null ? undefined : some(syntheticValue(head, kind, name) ?? undefined);
    };
  }
  const field = new FieldName(name);
  return (record) => of(record)?.joined(field, ',');
}

function bytesOf(head: Head | null, kind: HeadKind): number {
  return head === null ? 0 : headerBytes(head, kind);
}

function queryOf(head: Head | null): string | undefined {
  if (head === null) return undefined;
  const { path } = head;
  const at = path.indexOf('?');
  return at < 0 ? '' : path.slice(at + 1);
}

function grpcStatus({ responseTrailers, responseHead }: ExchangeRecord): number | undefined {
  const status = responseTrailers?.get(GRPC_STATUS) ?? responseHead?.get(GRPC_STATUS);
  return status !== undefined && /^\d{1,2}$/.test(status) ? Number(status) : undefined;
}

/** Of a caller that came in by a connection; who calls out is this proxy's application, which needs no proof. */
function peerUri({ direction, sourcePrincipal }: ExchangeRecord): string | undefined {
  return direction === 'outbound' || sourcePrincipal === '' ? undefined : `spiffe://${sourcePrincipal}`;
}

function provenNamespace({ sourcePrincipal, source }: ExchangeRecord): string | undefined {
  if (sourcePrincipal === '') return undefined;
  return /\/ns\/([^/]+)\//.exec(sourcePrincipal)?.[1] ?? source?.namespace;
}
