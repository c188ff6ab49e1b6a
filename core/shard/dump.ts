// What a shard has, as plain data for the admin endpoints and `mesh proxy-config`.

import type { Cluster } from '../cluster/cluster.ts';
import { http2Counts } from '../http2/limits.ts';
import type { Route, VirtualHost } from '../router/route.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { TcpPort, TcpService } from '../tcp/service.ts';
import type { Listener } from '../transport/listener.ts';
import type { ListenerCounts } from '../transport/listener-counts.ts';
import type { MtlsMode } from '../transport/listener-spec.ts';
import type { DumpKind } from './protocol.ts';
import type { WasmFilters } from './wasm-filters.ts';

/** Faults of peers that speak HTTP/2, since the shard began. */
export type Http2Dump = Readonly<typeof http2Counts>;

export interface ListenerDump extends ListenerCounts {
  readonly name: string;
  readonly kind: string;
  readonly address: string;
  readonly port: number;
  readonly configuredPort: number;
  readonly connections: number;
  /** Whether who connects has to, may or cannot speak mutual TLS; of sidecars' inbound listeners. */
  readonly mtls: MtlsMode;
}

export interface RouteDump {
  /** 'outbound', 'inbound', a gateway's port, or the upstream that a port of its own leads to. */
  readonly listener: string;
  readonly virtualHost: string;
  readonly domains: readonly string[];
  readonly route: string;
  readonly match: string;
  /** 'namespace/name', or ''. */
  readonly virtualService: string;
  readonly action: string;
  readonly filters: readonly string[];
}

export interface ClusterDump {
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly port: number;
  readonly subset: string;
  /** As Envoy calls it: how the endpoints become known. */
  readonly type: 'EDS' | 'STRICT_DNS' | 'STATIC';
  /** 'name.namespace', or ''. */
  readonly destinationRule: string;
  readonly endpoints: number;
  readonly active: number;
  readonly requests: number;
  readonly overflows: number;
  readonly retries: number;
  readonly retryOverflows: number;
  readonly retryLimits: number;
}

export interface EndpointDump {
  readonly endpoint: string;
  readonly status: 'HEALTHY';
  readonly cluster: string;
  readonly workload: string;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
  readonly connections: number;
}

export function dump(
  what: DumpKind,
  snapshot: Snapshot,
  listeners: readonly Listener[],
  filters: WasmFilters,
): unknown {
  switch (what) {
    case 'listeners':
      return listeners.map((listener): ListenerDump => {
        const { name, kind, address, port, configuredPort } = listener.spec;
        const { activeConnections: connections, mtls, counts } = listener;
        return { name, kind, address, port, configuredPort, connections, mtls, ...counts };
      });
    case 'routes':
      return routesOf(snapshot);
    case 'clusters':
      return clustersOf(snapshot).map(clusterOf);
    case 'endpoints':
      return clustersOf(snapshot).flatMap(endpointsOf);
    case 'filters':
      return filters.dump(snapshot);
    case 'http2':
      return { ...http2Counts };
    case 'snapshot':
      return { revision: snapshot.revision };
  }
}

/** In an order that does not tell what came first. */
function clustersOf({ clusters }: Snapshot): Cluster[] {
  return [...clusters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function routesOf(snapshot: Snapshot): RouteDump[] {
  const dumped: RouteDump[] = [];
  const add = (listener: string, hosts: readonly VirtualHost[]): void => {
    for (const host of hosts) {
      for (const route of host.routes) dumped.push(routeOf(listener, host, route));
    }
  };
  add('outbound', snapshot.outbound.virtualHosts);
  for (const [port, table] of snapshot.gateways) add(String(port), table.virtualHosts);
  const { inbound, detected, upstreams, gateways } = snapshot.tcp;
  if (inbound !== null) dumped.push(...carriedTo('inbound', inbound));
  else if (snapshot.inbound !== null) add('inbound', [snapshot.inbound]);
  if (detected !== null) dumped.push(...carriedTo('inbound', detected));
  for (const [upstream, port] of upstreams) dumped.push(...carriedTo(upstream, port));
  for (const [number, port] of gateways) dumped.push(...carriedTo(String(number), port));
  return dumped;
}

/** Where connections are carried that are no HTTP: a host is a name that TLS asks for. */
function carriedTo(listener: string, { names, other }: TcpPort): RouteDump[] {
  const each = (service: TcpService, name: string): RouteDump[] =>
    service.routes.map(({ origin, match, targets, totalWeight }) => ({
      ...{ listener, virtualHost: service.name, domains: [name], route: 'tcp', match, virtualService: origin },
      action: sharesText(targets, totalWeight),
      filters: [],
    }));
  return [...(names?.entries ?? []).flatMap(([name, service]) => each(service, name)), ...each(other, '*')];
}

function routeOf(listener: string, host: VirtualHost, route: Route): RouteDump {
  return {
    listener,
    virtualHost: host.name,
    domains: host.domains,
    route: route.name,
    match: route.matches.map((matcher) => matcher.text).join(' || ') || '*',
    virtualService: route.origin,
    action: actionText(route),
    filters: route.chain.filters.map((filter) => filter.name),
  };
}

function actionText({ action }: Route): string {
  if (action.type === 'direct') return `direct response ${action.status}`;
  if (action.type === 'unmatched') return 'no route';
  if (action.type === 'redirect') return `redirect ${action.status}`;
  return sharesText(action.targets, action.totalWeight);
}

function sharesText(
  targets: readonly { readonly clusterName: string; readonly cluster: Cluster | null; readonly weight: number }[],
  totalWeight: number,
): string {
  return targets
    .map(({ clusterName, cluster, weight }) => {
      const share = targets.length > 1 ? ` ${Math.round((100 * weight) / totalWeight)}%` : '';
      return `${clusterName}${share}${cluster === null ? ' (not found)' : ''}`;
    })
    .join(', ');
}

function clusterOf(cluster: Cluster): ClusterDump {
  const { name, kind, service, port, subset, dns, rule: destinationRule } = cluster.spec;
  const type = kind === 'inbound' ? 'STATIC' : dns.length > 0 ? 'STRICT_DNS' : 'EDS';
  const { active, requests, overflows, retries, retryOverflows, retryLimits } = cluster.counts;
  const endpoints = cluster.endpoints.length;
  const figures = { active, requests, overflows, retries, retryOverflows, retryLimits };
  return { name, kind, service, port, subset, type, destinationRule, endpoints, ...figures };
}

function endpointsOf(cluster: Cluster): EndpointDump[] {
  return cluster.endpoints.map((endpoint) => ({
    endpoint: endpoint.key,
    status: 'HEALTHY',
    cluster: cluster.name,
    workload: endpoint.workload?.name ?? '',
    active: endpoint.active,
    requests: endpoint.requests,
    failures: endpoint.failures,
    connections: endpoint.connections,
  }));
}
