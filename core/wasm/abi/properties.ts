// Properties of an exchange in Envoy's binary encoding: text raw (latin1, or UTF-8 where it may be more), integers and
// durations 8 bytes little-endian, booleans one byte. What is not known is undefined, which guests see as NOT_FOUND.
// Read from the record; headers prove nothing about who called.

import type { FilterStream } from '../../exchange/filter.ts';
import type { ExchangeRecord } from '../../exchange/record.ts';
import { hostPort, splitHostPort } from '../../host-port.ts';
import { FieldName, type Head } from '../../http/head.ts';
import type { ConnectionRecord } from '../../tcp/connection.ts';
import type { Node, Workload } from '../../workload.ts';
import type { GuestPlugin } from './guest.ts';

/** A latin1 string, bytes, or undefined: not there. */
export type Property = string | Uint8Array | undefined;

type OfStream = (record: ExchangeRecord, stream: FilterStream) => Property;

const USER_AGENT = new FieldName('user-agent');
const REFERER = new FieldName('referer');
const GRPC_STATUS = new FieldName('grpc-status');
const SEPARATOR = '\0';
const CLAIM = 'weft\0jwt\0claim\0';
const CLAIM_VALUES = 'weft\0jwt\0claim_values\0';
const REQUEST_HEADERS = 'request\0headers\0';
const RESPONSE_HEADERS = 'response\0headers\0';
const RESPONSE_TRAILERS = 'response\0trailers\0';
const METADATA = 'node\0metadata\0';

const PLAIN: Readonly<Record<string, OfStream>> = {
  'request.path': ({ requestHead }) => requestHead?.path,
  'request.url_path': ({ requestHead }) => requestHead?.path.split('?', 1)[0],
  'request.query': ({ requestHead }) => queryOf(requestHead),
  'request.host': ({ requestHead }) => requestHead?.authority,
  'request.scheme': ({ requestHead }) => requestHead?.scheme,
  'request.method': ({ requestHead }) => requestHead?.method,
  'request.useragent': ({ requestHead }) => requestHead?.get(USER_AGENT),
  'request.referer': ({ requestHead }) => requestHead?.get(REFERER),
  'request.id': ({ requestId }) => text(requestId),
  'request.protocol': ({ protocol }) => protocol,
  'request.time': ({ startTime }) => integer(Math.round(startTime) * 1_000_000),
  'request.duration': ({ durationMs }) => (durationMs < 0 ? undefined : integer(Math.round(durationMs * 1_000_000))),
  'request.size': ({ bytesReceived }) => integer(bytesReceived),
  'request.total_size': ({ bytesReceived }) => integer(bytesReceived),
  'response.code': (record, stream) => positive(stream.responseHead?.status ?? record.responseCode),
  'response.code_details': ({ responseCodeDetails }) => text(responseCodeDetails),
  'response.flags': ({ flags }) => integer(flags),
  'response.grpc_status': (_record, stream) => grpcStatus(stream),
  'response.size': ({ bytesSent }) => integer(bytesSent),
  'response.total_size': ({ bytesSent }) => integer(bytesSent),
  'source.address': ({ connection }) => hostPort(connection.remoteAddress, connection.remotePort),
  'source.port': ({ connection }) => integer(connection.remotePort),
  'destination.address': (record) => hostPort(record.connection.localAddress, destinationPort(record)),
  'destination.port': (record) => integer(destinationPort(record)),
  'connection.id': ({ connection }) => integer(connection.id),
  'connection.mtls': () => Uint8Array.of(0),
  'connection.uri_san_peer_certificate': ({ sourcePrincipal }) =>
    sourcePrincipal === '' ? undefined : utf8(`spiffe://${sourcePrincipal}`),
  'upstream.address': ({ upstreamHost }) => text(upstreamHost),
  'upstream.port': ({ upstreamHost }) => (upstreamHost === '' ? undefined : integer(splitHostPort(upstreamHost).port)),
  'upstream.local_address': ({ upstreamLocalAddress }) => text(upstreamLocalAddress),
  'upstream.transport_failure_reason': ({ upstreamTransportFailure }) => text(upstreamTransportFailure),
  cluster_name: ({ clusterName }) => text(clusterName),
  route_name: ({ routeName }) => text(routeName),
  'xds.cluster_name': ({ clusterName }) => text(clusterName),
  'xds.route_name': ({ routeName }) => text(routeName),
  listener_direction: ({ direction }) => integer(direction === 'inbound' ? 1 : 2),
  'weft.source_principal': ({ sourcePrincipal }) => text(sourcePrincipal),
  'weft.source_namespace': ({ sourcePrincipal, source }) => proven(sourcePrincipal, source?.namespace),
  'weft.jwt': (_record, { token }) => token?.payload,
  'weft.jwt.principal': (_record, { token }) => text(token?.principal ?? ''),
  'weft.destination_service': ({ destinationService }) => text(destinationService),
};

const OF_STREAM: ReadonlyMap<string, OfStream> = new Map(
  Object.entries(PLAIN).map(([name, property]) => [name.replaceAll('.', SEPARATOR), property]),
);

/** Reads one property for a plugin and, within a stream, its exchange. */
export type PropertyReader = (stream: FilterStream | null, plugin: GuestPlugin, node: Node) => Property;

/** Who reads the property at `path`, segments joined by NUL. Worked out once, since guests ask for the same ones. */
export function propertyReader(path: string): PropertyReader {
  return ofExchange(path) ?? headerReader(path) ?? claimReader(path) ?? ofPlugin(path) ?? stateReader(path);
}

function ofExchange(path: string): PropertyReader | null {
  const known = OF_STREAM.get(path);
  return known === undefined ? null : (stream) => (stream === null ? undefined : known(stream.record, stream));
}

function ofPlugin(path: string): PropertyReader | null {
  switch (path) {
    case 'plugin_name':
      return (_stream, plugin) => utf8(plugin.name);
    case 'plugin_root_id':
      return (_stream, plugin) => utf8(plugin.spec.rootId);
    case 'plugin_vm_id':
      return (_stream, plugin) => utf8(plugin.spec.vmId);
    case 'node\0id':
      return (_stream, _plugin, node) => utf8(node.id);
    case 'node\0cluster':
      return (_stream, _plugin, node) => utf8(`${node.workload}.${node.namespace}`);
  }
  if (!path.startsWith(METADATA)) return null;
  const key = path.slice(METADATA.length);
  return (_stream, _plugin, node) => nodeMetadata(key, node);
}

/** What filters left in the exchange. */
function stateReader(path: string): PropertyReader {
  return (stream) => stream?.state.get(path);
}

const STEADY = new Set(
  [
    'source.address',
    'source.port',
    'destination.address',
    'destination.port',
    'connection.id',
    'connection.mtls',
    'connection.uri_san_peer_certificate',
    'weft.source_principal',
    'weft.source_namespace',
    'weft.jwt.principal',
    'weft.filter_config',
  ].map((name) => name.replaceAll('.', SEPARATOR)),
);

/** True for what nothing changes during a filter's callback about a head but a call of weft_verify_token. */
export function isSteady(path: string): boolean {
  return STEADY.has(path) || path.startsWith(CLAIM) || path.startsWith(CLAIM_VALUES);
}

/** What a connection without requests has: who is at either end. */
export function connectionProperty(path: string, record: ConnectionRecord): Property {
  switch (path) {
    case 'source\0address':
      return hostPort(record.connection.remoteAddress, record.connection.remotePort);
    case 'source\0port':
      return integer(record.connection.remotePort);
    case 'destination\0address':
      return hostPort(record.connection.localAddress, destinationPort(record));
    case 'destination\0port':
      return integer(destinationPort(record));
    case 'connection\0id':
      return integer(record.connection.id);
    case 'listener_direction':
      return integer(record.direction === 'inbound' ? 1 : 2);
    default:
      return undefined;
  }
}

/** `request.headers.x` and its like; null when the path is none of them. */
function headerReader(path: string): PropertyReader | null {
  if (path.startsWith(REQUEST_HEADERS)) {
    const value = headerValue(path.slice(REQUEST_HEADERS.length), true);
    return (stream) => (stream === null ? undefined : value(stream.requestHead));
  }
  const trailers = path.startsWith(RESPONSE_TRAILERS);
  if (!trailers && !path.startsWith(RESPONSE_HEADERS)) return null;
  const value = headerValue(path.slice(trailers ? RESPONSE_TRAILERS.length : RESPONSE_HEADERS.length), false);
  return (stream) => {
    const head = trailers ? stream?.responseTrailers : stream?.responseHead;
    return head ? value(head) : undefined;
  };
}

/** `weft.jwt.claim.x` and `weft.jwt.claim_values.x`; null when the path is neither. */
function claimReader(path: string): PropertyReader | null {
  const values = path.startsWith(CLAIM_VALUES);
  if (!values && !path.startsWith(CLAIM)) return null;
  // Paths are latin1 here, names of claims are not.
  const name = Buffer.from(path.slice(values ? CLAIM_VALUES.length : CLAIM.length), 'latin1').toString();
  if (values) return (stream) => stream?.token?.values(name) ?? undefined;
  return (stream) => utf8OrNothing(stream?.token?.text(name) ?? undefined);
}

function headerValue(name: string, request: boolean): (head: Head) => Property {
  const lower = name.toLowerCase();
  if (lower.charCodeAt(0) !== 58) {
    if (request && lower === 'host') return (head) => head.authority;
    const field = new FieldName(lower);
    return (head) => head.joined(field);
  }
  if (!request) {
    return (head) => (lower === ':status' && head.status !== 0 ? String(head.status) : undefined);
  }
  switch (lower) {
    case ':path':
      return (head) => head.path;
    case ':method':
      return (head) => head.method;
    case ':authority':
      return (head) => head.authority;
    case ':scheme':
      return (head) => head.scheme;
    default:
      return () => undefined;
  }
}

function nodeMetadata(key: string, node: Node): Property {
  switch (key) {
    case 'NAME':
      return utf8(node.name);
    case 'NAMESPACE':
      return utf8(node.namespace);
    case 'WORKLOAD_NAME':
      return utf8(node.workload);
    case 'SERVICE_ACCOUNT':
      return utf8(node.serviceAccount);
    case 'MESH_ID':
      return utf8(node.trustDomain);
    case 'NODE_NAME':
      return utf8(node.id);
    default:
      return key.startsWith('LABELS\0') ? utf8OrNothing(node.labels[key.slice(7)]) : undefined;
  }
}

function destinationPort(record: ConnectionRecord): number {
  return record.destinationPort || record.connection.localPort;
}

function queryOf(head: Head | null): Property {
  if (head === null) return undefined;
  const { path } = head;
  const at = path.indexOf('?');
  return at < 0 ? '' : path.slice(at + 1);
}

function grpcStatus(stream: FilterStream): Property {
  const status = stream.responseTrailers?.get(GRPC_STATUS) ?? stream.responseHead?.get(GRPC_STATUS);
  return status === undefined || !/^\d{1,2}$/.test(status) ? undefined : integer(Number(status));
}

/** The namespace of a caller whose identity is proven. */
function proven(principal: string, namespace: Workload['namespace'] | undefined): Property {
  if (principal === '') return undefined;
  const named = /\/ns\/([^/]+)\//.exec(principal);
  return utf8OrNothing(named?.[1] ?? namespace);
}

function text(value: string): Property {
  return value === '' ? undefined : utf8(value);
}

function utf8OrNothing(value: string | undefined): Property {
  return value === undefined ? undefined : utf8(value);
}

/** One byte a character while it is ASCII, which nearly all of it is. */
function utf8(value: string): string | Uint8Array {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 127) return Buffer.from(value);
  return value;
}

function positive(value: number): Property {
  return value > 0 ? integer(value) : undefined;
}

function integer(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
