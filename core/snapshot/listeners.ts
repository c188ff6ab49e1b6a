// Which gateway listeners the configuration asks of this proxy. The main thread reserves their ports before shards bind. A
// port for which TLS is asked is not opened in plain text: where a server ends TLS, whoever comes has to speak it.

import { carriedPorts } from '../config/carried-servers.ts';
import { endsTls } from '../config/ends-tls.ts';
import { isKind } from '../config/is-kind.ts';
import { asksForTls, type Server } from '../config/kinds/gateway.ts';
import { type Resource, resourceKey } from '../config/resource.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';
import { hasLabels, speaksHttp } from './services.ts';

/** One per port number; `port` is the configured one, still to be mapped and bound. `defaultAddress`: for servers without `bind`. */
export function listenersOf(node: Node, resources: Iterable<Resource>, defaultAddress: string): ListenerSpec[] {
  const servers = serversOf(node, resources).map(({ server }) => server);
  const encrypted = new Set(servers.filter(encrypts).map(({ port }) => port.number));
  const ended = new Set(servers.filter(endsTls).map(({ port }) => port.number));
  const carried = carriedPorts(servers);
  const found = new Map<number, ListenerSpec>();
  for (const server of servers) {
    const { port, bind } = server;
    const { number } = port;
    if (found.has(number) || ended.has(number) !== endsTls(server)) continue;
    const plain = speaksHttp(port.protocol) && !encrypted.has(number);
    if (!ended.has(number) && !carried.has(number) && !plain) continue;
    // Of a socket's path it is told that nothing listens there.
    if (bind?.startsWith('unix://') === true) continue;
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

/** The server of a Gateway that asks for this port of this proxy. */
export function askingFor(
  configuredPort: number,
  node: Node,
  resources: Iterable<Resource>,
): { resource: string; pointer: string } | null {
  const found = serversOf(node, resources).find(({ server }) => server.port.number === configuredPort);
  if (found === undefined) return null;
  return { resource: resourceKey(found.gateway), pointer: `/spec/servers/${found.index}/port/number` };
}

interface Asked {
  readonly gateway: Resource;
  readonly server: Server;
  readonly index: number;
}

function serversOf(node: Node, resources: Iterable<Resource>): Asked[] {
  if (node.role !== 'gateway') return [];
  return [...resources].flatMap((gateway): Asked[] => {
    if (!isKind(gateway, 'Gateway') || !hasLabels(node.labels, gateway.spec.selector ?? {})) return [];
    return (gateway.spec.servers ?? []).map((server, index) => ({ gateway, server, index }));
  });
}
