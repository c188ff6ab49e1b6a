// The names that an expression may use, and what each is. Envoy's attributes, Istio's peers, and the workloads at both ends.

export type Type = 'bool' | 'int' | 'double' | 'string' | 'duration' | 'map' | 'list';

/** By full name. `core/expression/facts.ts` reads each of them from an exchange. */
export const NAMES = {
  'request.path': 'string',
  'request.url_path': 'string',
  'request.query': 'string',
  'request.host': 'string',
  'request.scheme': 'string',
  'request.method': 'string',
  'request.headers': 'map',
  'request.referer': 'string',
  'request.useragent': 'string',
  'request.id': 'string',
  'request.protocol': 'string',
  'request.duration': 'duration',
  'request.size': 'int',
  'request.total_size': 'int',
  'response.code': 'int',
  'response.code_details': 'string',
  'response.flags': 'int',
  'response.grpc_status': 'int',
  'response.headers': 'map',
  'response.trailers': 'map',
  'response.size': 'int',
  'response.total_size': 'int',
  'response.duration': 'duration',
  'response.backend_latency': 'duration',
  'connection.id': 'int',
  'connection.mtls': 'bool',
  'connection.uri_san_peer_certificate': 'string',
  'upstream.address': 'string',
  'upstream.port': 'int',
  'upstream.local_address': 'string',
  'upstream.transport_failure_reason': 'string',
  'upstream.request_attempt_count': 'int',
  'xds.cluster_name': 'string',
  'xds.route_name': 'string',
  'xds.listener_direction': 'int',
  'source.address': 'string',
  'source.port': 'int',
  'source.principal': 'string',
  'source.name': 'string',
  'source.namespace': 'string',
  'source.labels': 'map',
  'source.workload.name': 'string',
  'source.workload.namespace': 'string',
  'destination.address': 'string',
  'destination.port': 'int',
  'destination.name': 'string',
  'destination.namespace': 'string',
  'destination.labels': 'map',
  'destination.workload.name': 'string',
  'destination.workload.namespace': 'string',
  'destination.service.host': 'string',
  'downstream_peer.name': 'string',
  'downstream_peer.namespace': 'string',
  'downstream_peer.workload': 'string',
  'downstream_peer.app': 'string',
  'downstream_peer.version': 'string',
  'downstream_peer.labels': 'map',
  'upstream_peer.name': 'string',
  'upstream_peer.namespace': 'string',
  'upstream_peer.workload': 'string',
  'upstream_peer.app': 'string',
  'upstream_peer.version': 'string',
  'upstream_peer.labels': 'map',
} as const satisfies Readonly<Record<string, Type>>;

export type Name = keyof typeof NAMES;
export type MapName = {
  [N in Name]: (typeof NAMES)[N] extends 'map' ? N : never;
}[Name];

/** 'request', 'destination.workload': what a name may begin with. */
const BEGINNINGS: ReadonlySet<string> = new Set(
  Object.keys(NAMES).flatMap((name) => {
    const parts = name.split('.');
    return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
  }),
);

export function isName(text: string): text is Name {
  return Object.hasOwn(NAMES, text);
}

/** True for a name and for the beginning of one. */
export function leadsToName(text: string): boolean {
  return isName(text) || BEGINNINGS.has(text);
}

/** The name that was probably meant, or null. */
export function nearestName(text: string): Name | null {
  const last = text.slice(text.lastIndexOf('.') + 1);
  const same = (Object.keys(NAMES) as Name[]).find(
    (name) =>
      name.slice(name.lastIndexOf('.') + 1) === last || name.replaceAll(/[._]/g, '') === text.replaceAll(/[._]/g, ''),
  );
  return same ?? null;
}
