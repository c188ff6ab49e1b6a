// A proxy as its lease describes it: for whom a change has to compile, and which hosts there are because of it.
import type { Lease, ProxyIdentity } from '../bus/types.ts';
import type { Node, WorkloadEndpoint } from '../core/workload.ts';
import type { Joined } from './checker/messages.ts';

/** Leases come over a wire: what does not look like a node is none. */
export function joinedOf({ node, from, endpoints }: Lease): Joined {
  const hosts = new Set<string>();
  for (const endpoint of endpoints as readonly Partial<WorkloadEndpoint>[]) {
    const { services, namespace = 'default' } = endpoint ?? {};
    if (!Array.isArray(services)) continue;
    for (const host of services) {
      if (typeof host === 'string') hosts.add(host.includes('.') ? host : `${host}.${namespace}.svc.cluster.local`);
    }
  }
  return { node: isNode(node) && isFrom(node, from) ? node : null, hosts: [...hosts] };
}

/** Whatever it says, it is who wrote it. */
function isFrom(node: Node, from: ProxyIdentity | undefined): boolean {
  return from === undefined || (node.namespace === from.namespace && node.serviceAccount === from.serviceAccount);
}

function isApplication(value: unknown): boolean {
  const { port, protocol } = (value ?? {}) as { port?: unknown; protocol?: unknown };
  return typeof port === 'number' && (protocol === undefined || typeof protocol === 'string');
}

function isNode(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null) return false;
  const { role, namespace, workload, serviceAccount, labels, services, app, trustDomain, upstreams } = value as Partial<
    Record<keyof Node, unknown>
  >;
  return (
    (role === 'sidecar' || role === 'gateway') &&
    [namespace, workload, serviceAccount, trustDomain].every((each) => typeof each === 'string') &&
    typeof labels === 'object' &&
    labels !== null &&
    Array.isArray(services) &&
    services.every((each) => typeof each === 'string') &&
    (upstreams === undefined || (Array.isArray(upstreams) && upstreams.every((each) => typeof each === 'string'))) &&
    (app === null || isApplication(app))
  );
}
