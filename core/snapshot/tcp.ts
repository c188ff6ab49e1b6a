// What a proxy carries as bytes: to its application, where what that speaks is no HTTP, and to the ports of services that it opens
// for it. Routes are those of the VirtualServices' tcp sections, else the service itself.

import { BlockList, isIP } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import { gatewayKey } from '../config/gateway-reference.ts';
import { plainHost } from '../config/hosts.ts';
import type { Destination } from '../config/kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { carriesBytes, declaresHttp } from '../config/schemas/port-protocol.ts';
import type { TCPRoute, TLSRoute } from '../config/schemas/virtual-service-tcp.ts';
import { hostPort, splitHostPort } from '../host-port.ts';
import type { TcpPort, TcpRoute, TcpService, TcpTarget } from '../tcp/service.ts';
import type { ConnectionFacts } from '../transport/transport.ts';
import type { Node } from '../workload.ts';
import type { NamedService } from './auto-passthrough.ts';
import { clusterName } from './clusters.ts';
import { RoutePart } from './route-parts.ts';
import { ServerNames } from './server-names.ts';
import { fullHost, hasLabels, onlyPort, type Services } from './services.ts';
import type { Rule } from './virtual-services.ts';

/** Where connections come from, and what they are compiled with. */
export interface TcpScope {
  readonly node: Node;
  /** The mesh's own ports, or one gateway ('namespace/name'). */
  readonly gateway: string;
  readonly services: Services;
  /** VirtualServices for a host of the mesh. */
  rulesOf(host: string): readonly Rule[];
  cluster(host: string, port: number, subset: string): Cluster | null;
}

export interface CompiledTcp {
  readonly port: TcpPort;
  /** What is counted as in use with it. */
  readonly part: RoutePart;
}

const EVERY = { match: '*', matches: () => true };

/** What arrives for the application, by what is declared of it. `spoken`: what the registry says. */
export function spokenBy({ app }: Node, spoken: string): 'http' | 'bytes' | 'unknown' {
  if (app === null) return 'http';
  for (const declared of [app.protocol ?? '', spoken]) {
    if (carriesBytes(declared)) return 'bytes';
    if (declaresHttp(declared)) return 'http';
  }
  return 'unknown';
}

/** To the application, and nothing else. */
export function inboundPort(host: string, port: number, cluster: Cluster): TcpPort {
  const target = { weight: 1, cluster, clusterName: cluster.name };
  const route = { origin: '', ...EVERY, targets: [target], totalWeight: 1 };
  return { names: null, other: { name: `inbound|tcp|${port}`, service: host, port, offered: null, routes: [route] } };
}

/** A port of a service that is opened for the application; `upstream`: 'orders-db:5432'. */
export function upstreamPort(upstream: string, scope: TcpScope): CompiledTcp {
  const { node, services } = scope;
  const { host: asked, port } = splitHostPort(upstream);
  const host = fullHost(asked, node.namespace, services);
  const problems: Problem[] = [];
  const rules = scope.rulesOf(host);
  const ruled = rules.flatMap((rule) => tcpRoutes(rule.resource, port, scope, problems));
  const own = targetOf(1, host, port, '', scope);
  const routes = ruled.length > 0 ? ruled : [{ origin: '', ...EVERY, targets: [own], totalWeight: 1 }];
  const place = { service: host, port, offered: null };
  const named = new Map<string, TcpRoute[]>();
  for (const { resource } of rules) addTlsRoutes(named, resource, port, scope, problems, (name) => name);
  return compiled(named, { name: hostPort(host, port), ...place, routes }, problems);
}

/** A port of a gateway: which names, and which rules for it, its servers let in is known to who asks. */
export class GatewayPort {
  private readonly number: number;
  private readonly named: Map<string, TcpRoute[]> | null;
  private readonly routes: TcpRoute[] = [];
  private readonly problems: Problem[] = [];

  /** `byName`: its connections are of TLS, and are told apart by the names that they ask for. */
  constructor(number: number, byName: boolean) {
    this.number = number;
    this.named = byName ? new Map() : null;
  }

  /** `shared`: of a name in the rule what the server has of it; null: nothing. */
  add({ resource }: Rule, scope: TcpScope, shared: (name: string) => string | null): void {
    const { named, number, problems } = this;
    if (named !== null) addTlsRoutes(named, resource, number, scope, problems, shared);
    else if ((resource.spec.hosts ?? []).some((host) => shared(plainHost(host)) !== null)) {
      this.routes.push(...tcpRoutes(resource, number, scope, problems));
    }
  }

  /** `passed`: where names lead that no rule says. */
  compiled(passed: Iterable<NamedService>): CompiledTcp {
    const { number, named, routes, problems } = this;
    const other = { name: String(number), service: '', port: number, offered: null, routes };
    return compiled(named, other, problems, passed);
  }
}

function compiled(
  named: ReadonlyMap<string, TcpRoute[]> | null,
  other: TcpService,
  problems: readonly Problem[],
  passed: Iterable<NamedService> = [],
): CompiledTcp {
  const services = new Map<string, TcpService>();
  for (const [name, routes] of named ?? []) services.set(name, { ...other, name: `${other.name} ${name}`, routes });
  const all = [...services, ...passed];
  const names = named === null || (all.length === 0 && other.routes.length > 0) ? null : new ServerNames(all);
  const clusters = [other, ...services.values()].flatMap(({ routes }) =>
    routes.flatMap(({ targets }) => targets.flatMap(({ cluster }) => cluster ?? [])),
  );
  return { port: { names, other }, part: new RoutePart([], problems, clusters) };
}

function tcpRoutes(resource: Rule['resource'], port: number, scope: TcpScope, problems: Problem[]): TcpRoute[] {
  return (resource.spec.tcp ?? []).flatMap((route, index): TcpRoute[] => {
    const matches = (route.match ?? []).filter((match) => applies(match, resource.metadata.namespace, port, scope));
    if (route.match !== undefined && route.match.length > 0 && matches.length === 0) return [];
    return routeTo(resource, `tcp/${index}`, route, matches, port, scope, problems);
  });
}

/** By the names that they are for. */
function addTlsRoutes(
  named: Map<string, TcpRoute[]>,
  resource: Rule['resource'],
  port: number,
  scope: TcpScope,
  problems: Problem[],
  shared: (name: string) => string | null,
): void {
  for (const [index, route] of (resource.spec.tls ?? []).entries()) {
    for (const match of route.match.filter((each) => applies(each, resource.metadata.namespace, port, scope))) {
      const names = match.sniHosts.map((name) => shared(plainHost(name))).filter((name) => name !== null);
      if (names.length === 0) continue;
      const made = routeTo(resource, `tls/${index}`, route, [match], port, scope, problems);
      for (const name of new Set(names)) named.set(name, (named.get(name) ?? []).concat(made));
    }
  }
}

function routeTo(
  resource: Rule['resource'],
  place: string,
  route: TCPRoute | TLSRoute,
  matches: readonly Match[],
  port: number,
  scope: TcpScope,
  problems: Problem[],
): TcpRoute[] {
  const { metadata } = resource;
  const targets = targetsOf(resource, place, route, port, scope, problems);
  if (targets.length === 0) return [];
  const totalWeight = targets.reduce((sum, { weight }) => sum + weight, 0);
  return [{ origin: `${metadata.namespace}/${metadata.name}`, ...matchOf(matches), targets, totalWeight }];
}

type Match = NonNullable<TCPRoute['match']>[number];

/** What is known before there is a connection. Where gateways are named they decide alone, as in Istio. */
function applies(match: Match, namespace: string, port: number, { gateway, node }: TcpScope): boolean {
  if (match.port && match.port !== port) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    return match.gateways.some((reference) => gatewayKey(reference, namespace) === gateway);
  }
  if (gateway !== 'mesh') return true;
  if (match.sourceLabels !== undefined && !hasLabels(node.labels, match.sourceLabels)) return false;
  return !match.sourceNamespace || match.sourceNamespace === node.namespace;
}

/** What is asked of the connection's addresses. */
function matchOf(matches: readonly Match[]): Pick<TcpRoute, 'match' | 'matches'> {
  const tests = matches.map(({ destinationSubnets = [], sourceSubnet }) => ({
    to: destinationSubnets.length === 0 ? null : blocksOf(destinationSubnets),
    from: sourceSubnet ? blocksOf([sourceSubnet]) : null,
    text: [...destinationSubnets.map((subnet) => `to ${subnet}`), ...(sourceSubnet ? [`from ${sourceSubnet}`] : [])],
  }));
  if (tests.length === 0 || tests.some(({ to, from }) => to === null && from === null)) return EVERY;
  return {
    match: tests.map(({ text }) => text.join(' ')).join(' || '),
    matches: ({ localAddress, remoteAddress }: ConnectionFacts) =>
      tests.some(
        ({ to, from }) => (to === null || holds(to, localAddress)) && (from === null || holds(from, remoteAddress)),
      ),
  };
}

function blocksOf(subnets: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const subnet of subnets) {
    const [address, length] = subnet.split('/', 2);
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (length === undefined) blocks.addAddress(address, family);
    else blocks.addSubnet(address, Number(length), family);
  }
  return blocks;
}

function holds(blocks: BlockList, address: string): boolean {
  return blocks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function targetsOf(
  resource: Resource,
  place: string,
  { route }: TCPRoute | TLSRoute,
  port: number,
  scope: TcpScope,
  problems: Problem[],
): TcpTarget[] {
  return route.flatMap(({ destination, weight }, at): TcpTarget[] => {
    const share = route.length === 1 ? 1 : (weight ?? 0);
    if (share === 0) return [];
    const { host, number, subset } = placeOf(destination, resource.metadata.namespace, port, scope);
    const target = targetOf(share, host, number, subset, scope);
    if (target.cluster === null) problems.push(missing(resource, `${place}/route/${at}`, host, number, subset));
    return [target];
  });
}

function placeOf(
  { host: named, port, subset = '' }: Destination,
  namespace: string,
  asked: number,
  { services }: TcpScope,
): { host: string; number: number; subset: string } {
  const host = fullHost(named, namespace, services);
  const service = services.get(host);
  const only = service === undefined ? null : onlyPort(service);
  return { host, number: port?.number ?? only ?? asked, subset };
}

function targetOf(weight: number, host: string, port: number, subset: string, scope: TcpScope): TcpTarget {
  const cluster = scope.cluster(host, port, subset);
  return { weight, cluster, clusterName: cluster?.name ?? clusterName(host, port, subset) };
}

function missing(resource: Resource, place: string, host: string, port: number, subset: string): Problem {
  const what = `port ${port}${subset === '' ? '' : ` and subset "${subset}"`} of host "${host}"`;
  return {
    severity: 'warning',
    code: 'IST0101',
    message: `Referenced ${what} not found`,
    resource: resourceKey(resource),
    pointer: `/spec/${place}/destination`,
  };
}
