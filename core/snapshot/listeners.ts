// Which gateway listeners the configuration asks of this proxy. The main thread reserves their ports before shards bind.

import { isKind } from '../config/kind-names.ts';
import type { Resource } from '../config/resource.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';
import { hasLabels } from './services.ts';
import { speaksHttp } from './virtual-hosts.ts';

/** One per port number; `port` is the configured one, still to be mapped and bound. `defaultAddress`: for servers without `bind`. */
export function listenersOf(node: Node, resources: Iterable<Resource>, defaultAddress: string): ListenerSpec[] {
  const found = new Map<number, ListenerSpec>();
  if (node.role !== 'gateway') return [];
  for (const resource of resources) {
    if (!isKind(resource, 'Gateway')) continue;
    const { selector, servers } = resource.spec;
    if (!hasLabels(node.labels, selector ?? {})) continue;
    for (const server of servers ?? []) {
      const { number } = server.port;
      if (!speaksHttp(server.port.protocol) || found.has(number)) continue;
      const address = server.bind === undefined || server.bind === '' ? defaultAddress : server.bind;
      found.set(number, {
        name: `${address}_${number}`,
        kind: 'gateway',
        address,
        port: number,
        configuredPort: number,
      });
    }
  }
  return [...found.values()];
}
