// Which gateway listeners the configuration asks of this proxy. The main thread reserves their ports before shards bind. A
// port for which TLS is asked is not opened in plain text.

import { isKind } from '../config/kind-names.ts';
import { asksForTls, type Server } from '../config/kinds/gateway.ts';
import type { Resource } from '../config/resource.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';
import { hasLabels } from './services.ts';
import { speaksHttp } from './virtual-hosts.ts';

/** One per port number; `port` is the configured one, still to be mapped and bound. `defaultAddress`: for servers without `bind`. */
export function listenersOf(node: Node, resources: Iterable<Resource>, defaultAddress: string): ListenerSpec[] {
  const servers = serversOf(node, resources);
  const encrypted = new Set(servers.filter(encrypts).map(({ port }) => port.number));
  const found = new Map<number, ListenerSpec>();
  for (const { port, bind } of servers) {
    const { number } = port;
    if (!speaksHttp(port.protocol) || encrypted.has(number) || found.has(number)) continue;
    const address = bind === undefined || bind === '' ? defaultAddress : bind;
    found.set(number, {
      name: `${address}_${number}`,
      kind: 'gateway',
      address,
      port: number,
      configuredPort: number,
    });
  }
  return [...found.values()];
}

function encrypts({ port, tls }: Server): boolean {
  return asksForTls(port.protocol, tls);
}

function serversOf(node: Node, resources: Iterable<Resource>): Server[] {
  if (node.role !== 'gateway') return [];
  return [...resources].flatMap((gateway) => {
    if (!isKind(gateway, 'Gateway') || !hasLabels(node.labels, gateway.spec.selector ?? {})) return [];
    return gateway.spec.servers ?? [];
  });
}
