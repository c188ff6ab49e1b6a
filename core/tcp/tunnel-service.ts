// Where a tunnel's TLS leads: to the service that CONNECT has named, past the routes of HTTP, or past the mesh where that is allowed.
// What a client asks for inside is held to the same registry.

import type { Cluster } from '../cluster/cluster.ts';
import { hostPort } from '../host-port.ts';
import { BLACK_HOLE, BLOCK_ALL } from '../router/block-all.ts';
import { findHost } from '../router/choose.ts';
import { splitAuthority } from '../router/hosts.ts';
import type { VirtualHost } from '../router/route.ts';
import type { ListenerContext } from '../shard/context.ts';
import { clusterName } from '../snapshot/clusters.ts';
import type { TcpService, TcpTarget } from './service.ts';

/** Who asks is this proxy's own application. */
const PLAIN = { memo: null, tls: null };

/** `authority`: of CONNECT; `serverName`: what the client asks for inside (SNI), or ''; null: what came is no TLS. */
export function tunnelService(listener: ListenerContext, authority: string, serverName: string | null): TcpService {
  if (serverName === null) return NOWHERE;
  const { shard } = listener;
  const { port } = splitAuthority(authority);
  // It changed since CONNECT was answered, or what is asked for inside is another host that nobody may reach from here.
  for (const name of serverName === '' ? [authority] : [hostPort(serverName, port), authority]) {
    const host = findHost(listener, shard.snapshot, name, PLAIN);
    if (host === BLOCK_ALL) return service(authority, BLOCK_ALL, { cluster: null, clusterName: BLACK_HOLE, weight: 1 });
    if (name !== authority) continue;
    if (typeof host === 'string') return NOWHERE;
    return service(authority, host, targetOf(host, shard.snapshot.clusters));
  }
  return NOWHERE;
}

const NOWHERE: TcpService = Object.freeze({ name: '', service: '', port: 0, offered: null, routes: [] });

function service(name: string, host: VirtualHost, target: TcpTarget): TcpService {
  const route = { origin: '', match: '*', matches: () => true, targets: [target], totalWeight: 1 };
  return { name, service: host.service, port: host.port, offered: null, routes: [route] };
}

/** A host that is dialled as it is named has a cluster of its own; a service's is that of no rule. */
function targetOf({ service: host, port, routes }: VirtualHost, clusters: ReadonlyMap<string, Cluster>): TcpTarget {
  const action = routes[0]?.action;
  const routed = action?.type === 'forward' ? action.targets[0] : null;
  if (routed?.cluster?.spec.kind === 'passthrough') return routed;
  const name = clusterName(host, port, '');
  return { weight: 1, cluster: clusters.get(name) ?? null, clusterName: name };
}
