// Virtual hosts of the outbound port and of gateways: every service's own default route, with the VirtualServices that
// name its host in front.

import { DEFAULT_RETRIES } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { gatewayKey } from '../config/gateway-reference.ts';
import { boundHost, hostCovers, plainHost } from '../config/hosts.ts';
import type { GatewaySpec } from '../config/kinds/gateway.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Problem, Resource } from '../config/resource.ts';
import { hostPort } from '../host-port.ts';
import { plainRoute, unmatchedRoute } from '../router/plain-route.ts';
import type { Route, VirtualHost } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { redirectOf } from './changes.ts';
import { clusterName } from './clusters.ts';
import type { ChainBuilder } from './filters.ts';
import { HostIndex } from './host-index.ts';
import type { Memo } from './memo.ts';
import { type CompiledRoutes, compileRoutes, type RouteScope } from './routes.ts';
import { fullHost, hasLabels, type Service, speaksHttp } from './services.ts';

export interface HostCompiler {
  readonly node: Node;
  readonly services: ReadonlyMap<string, Service>;
  readonly virtualServices: readonly Resource<VirtualServiceSpec>[];
  readonly chains: ChainBuilder;
  readonly memo: Memo;
  readonly problems: Problem[];
  cluster(host: string, port: number, subset: string): Cluster | null;
  /** Everything that the routes of a rule depend on beside the rule: what its destinations are made of. */
  dependencies(rule: Resource<VirtualServiceSpec>): readonly unknown[];
}

/** The sidecar's view: a virtual host for each port of each service, and for rules about hosts that are no service. */
export function outboundHosts(compiler: HostCompiler): VirtualHost[] {
  const { services, virtualServices, memo } = compiler;
  const rules = rulesByHost(virtualServices, services);
  const hosts: VirtualHost[] = [];
  for (const service of services.values()) {
    const own = rules.find(service.host);
    for (const port of service.ports) {
      const name = hostPort(service.host, port.number);
      const compiled = own.map((rule) => routesOf(compiler, rule, 'mesh', port.number));
      // Rules take the place of the service's own route, they do not fall through to it.
      const ruled = compiled.some(({ routes }) => routes.length > 0);
      const cluster = ruled ? null : compiler.cluster(service.host, port.number, '');
      hosts.push(
        memo.of(`outbound ${name}`, [service, cluster, compiler.chains, ...compiled], () => ({
          name,
          domains: service.names.filter((alias) => reaches(alias, service, compiler.node)),
          service: service.host,
          port: port.number,
          asNamed: !ruled && service.host.startsWith('*') && service.fixed.length === 0,
          unrouted: null,
          routes: ruled
            ? compiled.flatMap(({ routes }) => routes)
            : [ownRoute(compiler, port.number, clusterName(service.host, port.number, ''), cluster)],
        })),
      );
    }
  }
  for (const [host, own] of rules) {
    if (services.has(host)) continue;
    const compiled = own.map((rule) => routesOf(compiler, rule, 'mesh', 80));
    hosts.push(
      memo.of(`outbound ${host}`, [compiler.chains, ...compiled], () => ({
        name: `${host}:*`,
        domains: [host],
        service: host,
        port: 0,
        asNamed: false,
        unrouted: null,
        routes: compiled.flatMap((part) => part.routes),
      })),
    );
  }
  return hosts;
}

/** A short name means the service of the caller's own namespace. */
export function reaches(alias: string, service: Service, node: Node): boolean {
  return alias === service.host || service.namespace === node.namespace || /[.:]/.test(alias);
}

/** The route to the service itself. */
function ownRoute({ chains }: HostCompiler, port: number, clusterName: string, cluster: Cluster | null): Route {
  const chain = chains.at(port).route(null);
  return plainRoute({ name: 'default', cluster, clusterName, chain, retry: DEFAULT_RETRIES });
}

/** Gateway servers that this proxy carries, by the port number that they name. */
export function gatewayHosts(
  compiler: HostCompiler,
  gateways: readonly Resource<GatewaySpec>[],
): Map<number, VirtualHost[]> {
  const ports = new Map<number, Map<string, Route[]>>();
  for (const gateway of gateways) {
    if (!hasLabels(compiler.node.labels, gateway.spec.selector ?? {})) continue;
    const name = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
    for (const server of gateway.spec.servers ?? []) {
      const { number } = server.port;
      if (!speaksHttp(server.port.protocol)) continue;
      const domains = ports.get(number) ?? new Map<string, Route[]>();
      ports.set(number, domains);
      if (server.tls?.httpsRedirect === true) {
        for (const host of server.hosts) {
          const domain = plainHost(host.slice(host.indexOf('/') + 1));
          domains.set(domain, [httpsRedirect(compiler, number), ...(domains.get(domain) ?? [])]);
        }
        continue;
      }
      for (const rule of compiler.virtualServices) {
        const { namespace } = rule.metadata;
        if (!(rule.spec.gateways ?? []).some((reference) => gatewayKey(reference, namespace) === name)) continue;
        const shared = sharedDomains(server.hosts, gateway.metadata.namespace, rule.spec.hosts ?? [], namespace);
        // Compiled only where they are reached: clusters that no host leads to are forgotten.
        if (shared.size === 0) continue;
        const { routes } = routesOf(compiler, rule, name, number);
        for (const domain of shared) {
          domains.set(domain, [...(domains.get(domain) ?? []), ...routes]);
        }
      }
    }
  }
  const hosts = new Map<number, VirtualHost[]>();
  for (const [port, domains] of ports) {
    hosts.set(
      port,
      [...domains].map(([domain, routes]) =>
        compiler.memo.of(`gateway ${port} ${domain}`, [compiler.chains, ...routes], () => ({
          name: hostPort(domain, port),
          domains: [domain],
          service: '',
          port: 0,
          asNamed: false,
          unrouted: routes.some(asksClaims) ? unmatchedRoute(compiler.chains.at(port).route(null)) : null,
          routes,
        })),
      ),
    );
  }
  return hosts;
}

/** All requests of a server are sent to https, whichever rules name it. */
function httpsRedirect({ memo, chains }: HostCompiler, port: number): Route {
  const chain = chains.at(port).route(null);
  return memo.of(`https ${port}`, [chain], () => ({
    name: 'https_redirect',
    origin: '',
    matches: [],
    responseChanges: null,
    chain,
    action: redirectOf({ scheme: 'https' }),
  }));
}

function asksClaims({ matches }: Route): boolean {
  return matches.some((matcher) => matcher.asksClaims);
}

/** Hosts that both a server and a rule name; the narrower of the two where one is a wildcard. */
function sharedDomains(
  servers: readonly string[],
  owner: string,
  rules: readonly string[],
  namespace: string,
): Set<string> {
  const shared = new Set<string>();
  for (const server of servers) {
    const host = boundHost(server, owner, namespace);
    if (host === null) continue;
    for (const rule of rules.map(plainHost)) {
      if (hostCovers(host, rule)) shared.add(rule);
      else if (hostCovers(rule, host)) shared.add(host);
    }
  }
  return shared;
}

/**
 * The routes of one rule in one scope. While a destination of it is missing, the routes that last worked stay, and the
 * problem says so: a rule that arrives before what it refers to must not break what runs.
 */
function routesOf(
  compiler: HostCompiler,
  rule: Resource<VirtualServiceSpec>,
  gateway: string,
  port: number,
): CompiledRoutes {
  const { memo, node, services, chains } = compiler;
  const key = `routes ${rule.metadata.namespace}/${rule.metadata.name} ${gateway} ${port}`;
  const scope: RouteScope = {
    node,
    gateway,
    port,
    services,
    chains: chains.at(port),
    cluster: (host, number, subset) => compiler.cluster(host, number, subset),
  };
  // What a rule comes to depends on what there is now, never on what ran before: a host or subset that is gone is 503 NC.
  const compiled = memo.of(key, [rule, chains, ...compiler.dependencies(rule)], () => compileRoutes(rule, scope));
  for (const problem of compiled.problems) {
    if (!compiler.problems.some((known) => known.pointer === problem.pointer && known.resource === problem.resource)) {
      compiler.problems.push(problem);
    }
  }
  return compiled;
}

/** Rules for the mesh by the full names of their hosts, in the order of their names. */
function rulesByHost(
  virtualServices: readonly Resource<VirtualServiceSpec>[],
  services: ReadonlyMap<string, Service>,
): HostIndex<Resource<VirtualServiceSpec>> {
  const rules = new HostIndex<Resource<VirtualServiceSpec>>();
  for (const rule of virtualServices) {
    const gateways = rule.spec.gateways ?? [];
    if (gateways.length > 0 && !gateways.includes('mesh')) continue;
    for (const name of rule.spec.hosts ?? []) rules.add(fullHost(name, rule.metadata.namespace, services), rule);
  }
  return rules;
}
