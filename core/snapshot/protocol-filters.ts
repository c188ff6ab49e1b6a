// Where our own network filters stand: at the ports that are carried as bytes and speak what one of them reads. Each counts under a
// name that tells its port from others, as Istio's stat prefix does.

import { PROTOCOLS, type ProtocolName } from '../builtins/order.ts';
import { carriedPorts } from '../config/carried-servers.ts';
import { splitHostPort } from '../host-port.ts';
import type { NetworkPlacement } from '../tcp/network-filter.ts';
import { clusterName } from './clusters.ts';
import type { ListenerFilterScope } from './listener-filters.ts';
import { fullHost, hasLabels, type Service, type Services } from './services.ts';

/** `spoken`: what the registry says of the application's port, or ''. */
export function protocolPlacements(
  { node, source, policies }: ListenerFilterScope,
  spoken: string,
  services: Services,
): NetworkPlacement[] {
  const placed = (protocol: string, prefix: string, place: Omit<NetworkPlacement, 'filter'>): NetworkPlacement[] => {
    const name = readerOf(protocol);
    const filter = name === null ? null : source.protocol(name, prefix);
    return filter === null ? [] : [{ filter, ...place }];
  };
  const { app, namespace, upstreams = [], role, labels } = node;
  const own =
    app === null ? [] : placed(app.protocol || spoken, `inbound|${app.port}||`, { kind: 'inbound', ports: null });
  const others = upstreams.flatMap((upstream) => {
    const { host: asked, port } = splitHostPort(upstream);
    const host = fullHost(asked, namespace, services);
    const place = { kind: 'outbound', ports: null, upstream } as const;
    return placed(spokenBehind(services.get(host), port), clusterName(host, port, ''), place);
  });
  if (role !== 'gateway') return [...own, ...others];
  const mine = policies('Gateway').filter(({ spec }) => hasLabels(labels, spec.selector ?? {}));
  const servers = mine.flatMap(({ spec }) => spec.servers ?? []);
  const spokenBy = new Map(servers.map(({ port }) => [port.number, port.protocol]));
  const edges = [...carriedPorts(servers).keys()].flatMap((port) =>
    placed(spokenBy.get(port)!, `0.0.0.0_${port}`, { kind: 'gateway', ports: [port] }),
  );
  return [...own, ...others, ...edges];
}

/** Whoever registered by a service's name serves its only port, whichever that is. */
function spokenBehind(service: Service | undefined, port: number): string {
  const { ports = [] } = service ?? {};
  return (ports.find(({ number }) => number === port) ?? (ports.length === 1 ? ports[0] : undefined))?.protocol ?? '';
}

function readerOf(protocol: string): ProtocolName | null {
  const name = protocol.toLowerCase();
  return PROTOCOLS.find((one) => one === name) ?? null;
}
