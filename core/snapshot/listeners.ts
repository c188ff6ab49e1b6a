// Which gateway listeners the configuration asks of this proxy. The main thread reserves their ports before shards bind. A
// port for which TLS is asked is not opened in plain text.

import { isKind } from '../config/kind-names.ts';
import { asksForTls, type Server } from '../config/kinds/gateway.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';
import { hasLabels } from './services.ts';
import { speaksHttp } from './virtual-hosts.ts';

interface Wanted {
  readonly server: Server;
  readonly gateway: Resource;
  readonly pointer: string;
}

/** One per port number; `port` is the configured one, still to be mapped and bound. `defaultAddress`: for servers without `bind`. */
export function listenersOf(node: Node, resources: Iterable<Resource>, defaultAddress: string): ListenerSpec[] {
  const servers = serversOf(node, resources);
  const encrypted = new Set(servers.filter(encrypts).map(({ server }) => server.port.number));
  const found = new Map<number, ListenerSpec>();
  for (const { server } of servers) {
    const { number } = server.port;
    if (!speaksHttp(server.port.protocol) || encrypted.has(number) || found.has(number)) continue;
    const address = server.bind === undefined || server.bind === '' ? defaultAddress : server.bind;
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

/** Servers of this proxy that ask for TLS: their ports are closed. */
export function closedServers(node: Node, resources: Iterable<Resource>): Problem[] {
  return serversOf(node, resources)
    .filter(encrypts)
    .map(({ server, gateway, pointer }) => ({
      severity: 'warning',
      code: 'tls',
      message: `port ${server.port.number} is not opened: TLS is asked for on it and not served yet, and nothing is served in plain text in its place`,
      resource: resourceKey(gateway),
      pointer,
    }));
}

function encrypts({ server }: Wanted): boolean {
  return asksForTls(server.port.protocol, server.tls);
}

function serversOf(node: Node, resources: Iterable<Resource>): Wanted[] {
  if (node.role !== 'gateway') return [];
  return [...resources].flatMap((gateway) => {
    if (!isKind(gateway, 'Gateway') || !hasLabels(node.labels, gateway.spec.selector ?? {})) return [];
    return (gateway.spec.servers ?? []).map((server, i) => ({ server, gateway, pointer: `/spec/servers/${i}` }));
  });
}
