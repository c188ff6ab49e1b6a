// Virtual hosts of the outbound port, the sidecar's view: one for each port of each service, with the VirtualServices that name its
// host in the place of its own route, and one for each host that VirtualServices name and that is no service.

import { retryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { HTTPRetry } from '../config/schemas/http-actions.ts';
import { carriesBytes, GRPC_WEB } from '../config/schemas/port-protocol.ts';
import { hostPort } from '../host-port.ts';
import { exactly } from '../router/exactly.ts';
import type { HostTableDraft, RankedHost } from '../router/hosts.ts';
import { plainRoute } from '../router/plain-route.ts';
import type { Route } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { clusterName } from './clusters.ts';
import type { ChainBuilder } from './filters.ts';
import { RoutePart } from './route-parts.ts';
import type { Service } from './services.ts';
import type { Rule } from './virtual-services.ts';

/** What hosts are compiled with. */
export interface HostCompiler {
  readonly node: Node;
  readonly chains: ChainBuilder;
  /** The cluster of a service's port and subset; null when there is no such thing. */
  cluster(host: string, port: number, subset: string): Cluster | null;
  /** Of routes that say nothing of it. */
  readonly retries: HTTPRetry | undefined;
  /** Is the rule one for calls to this port? */
  imports(rule: Rule, port: number): boolean;
  /** The routes of a rule for requests of this port to the hosts of this gateway ('mesh': the mesh's own). */
  routesOf(rule: Rule, gateway: string, port: number): RoutePart;
}

/** What one name of the registry, or of rules, comes to. */
export interface CompiledHosts {
  readonly hosts: readonly RankedHost[];
  readonly parts: readonly RoutePart[];
}

export const NO_HOSTS: CompiledHosts = Object.freeze({ hosts: [], parts: [] });

/** `rank`: of the service among others; `rules`: those that are for it. */
export function serviceHosts(
  service: Service,
  rank: string,
  rules: readonly Rule[],
  compiler: HostCompiler,
): CompiledHosts {
  const hosts: RankedHost[] = [];
  const used: RoutePart[] = [];
  const domains = exactly(service.names.filter((alias) => reaches(alias, service, compiler.node)));
  for (const [index, { number, protocol }] of service.ports.entries()) {
    const compiled = rules
      .filter((rule) => compiler.imports(rule, number))
      .map((rule) => compiler.routesOf(rule, 'mesh', number));
    // Rules take the place of the service's own route, they do not fall through to it.
    const ruled = compiled.some(({ routes }) => routes.length > 0);
    const parts = ruled ? compiled : [...compiled, ownRoute(service, number, compiler)];
    used.push(...parts);
    // What comes through a tunnel goes past rules of HTTP.
    if (ruled && carriesBytes(protocol)) used.push(ownRoute(service, number, compiler));
    hosts.push({
      rank: `${rank} ${String(index).padStart(5, '0')}`,
      host: {
        name: hostPort(service.host, number),
        domains,
        service: service.host,
        port: number,
        asNamed: !ruled && service.host.startsWith('*') && service.fixed.length === 0,
        grpcWeb: protocol === GRPC_WEB,
        unrouted: null,
        routes: routesOf(parts),
      },
    });
  }
  return { hosts: exactly(hosts), parts: exactly(used) };
}

/** Of a host that is no service. */
export function ruledHost(host: string, rules: readonly Rule[], compiler: HostCompiler): CompiledHosts {
  if (rules.length === 0) return NO_HOSTS;
  const parts = rules.map((rule) => compiler.routesOf(rule, 'mesh', 80));
  const routes = routesOf(parts);
  const name = `${host}:*`;
  const made = {
    name,
    domains: [host],
    service: host,
    port: 0,
    asNamed: false,
    grpcWeb: false,
    unrouted: null,
    routes,
  };
  return { hosts: [{ rank: `4 ${host}`, host: made }], parts };
}

export function replaceHosts(draft: HostTableDraft, before: CompiledHosts, after: CompiledHosts): void {
  const most = Math.max(before.hosts.length, after.hosts.length);
  for (let i = 0; i < most; i++) draft.replace(before.hosts[i] ?? null, after.hosts[i] ?? null);
}

/** One after the other. */
export function routesOf(parts: readonly RoutePart[]): readonly Route[] {
  return parts.length === 1 ? parts[0].routes : exactly(parts.flatMap(({ routes }) => routes));
}

/** A short name means the service of the caller's own namespace. */
export function reaches(alias: string, service: Service, node: Node): boolean {
  return alias === service.host || service.namespace === node.namespace || /[.:]/.test(alias);
}

/** The route to the service itself. */
function ownRoute({ host }: Service, port: number, { chains, cluster, retries }: HostCompiler): RoutePart {
  const chain = chains.at(port).route(null);
  const name = clusterName(host, port, '');
  return new RoutePart([
    plainRoute({
      name: 'default',
      cluster: cluster(host, port, ''),
      clusterName: name,
      chain,
      retry: retryPolicy(retries, 0),
    }),
  ]);
}
