// The proxies that there are, as their leases describe them: for whom a change has to compile.
import type { Lease, ProxyIdentity } from '../bus/types.ts';
import type { Node } from '../core/workload.ts';

/** Leases come over a wire: what does not look like a node is left out. */
export function nodesOf(leases: Iterable<Lease>): Node[] {
  const nodes: Node[] = [];
  for (const { node, from } of leases) if (isNode(node) && isFrom(node, from)) nodes.push(node);
  return nodes;
}

/** Whatever it says, it is who wrote it. */
function isFrom(node: Node, from: ProxyIdentity | undefined): boolean {
  return from === undefined || (node.namespace === from.namespace && node.serviceAccount === from.serviceAccount);
}

function isNode(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null) return false;
  const { role, namespace, workload, serviceAccount, labels, services, app, trustDomain } = value as Partial<
    Record<keyof Node, unknown>
  >;
  return (
    (role === 'sidecar' || role === 'gateway') &&
    [namespace, workload, serviceAccount, trustDomain].every((each) => typeof each === 'string') &&
    typeof labels === 'object' &&
    labels !== null &&
    Array.isArray(services) &&
    services.every((each) => typeof each === 'string') &&
    (app === null || typeof (app as { port?: unknown } | undefined)?.port === 'number')
  );
}
