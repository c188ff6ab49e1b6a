// What a proxy carries as bytes: to its application, where what that speaks is no HTTP, and to the ports of services that it opens
// for it. Routes are those of the VirtualServices' tcp sections, else the service itself.

import { BlockList, isIP } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import { gatewayKey } from '../config/gateway-reference.ts';
import type { Destination } from '../config/kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { carriesBytes, isServerFirst } from '../config/schemas/port-protocol.ts';
import type { TCPRoute } from '../config/schemas/virtual-service-tcp.ts';
import { hostPort, splitHostPort } from '../host-port.ts';
import type { TcpRoute, TcpService, TcpTarget } from '../tcp/service.ts';
import type { ConnectionFacts } from '../transport/transport.ts';
import type { Node } from '../workload.ts';
import { clusterName } from './clusters.ts';
import { RoutePart } from './route-parts.ts';
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
  readonly service: TcpService;
  /** What is counted as in use with it. */
  readonly part: RoutePart;
}

const EVERY = { match: '*', matches: () => true };

/** Whether what arrives for the application is carried as bytes. `spoken`: what the registry says; '': nothing. */
export function isCarried({ app }: Node, spoken: string): boolean {
  if (app === null) return false;
  const declared = (app.protocol ?? '').toUpperCase() || spoken;
  return declared === '' ? isServerFirst(app.port) : carriesBytes(declared);
}

/** To the application, and nothing else. */
export function inboundService(host: string, port: number, cluster: Cluster): TcpService {
  const target = { weight: 1, cluster, clusterName: cluster.name };
  const route = { origin: '', ...EVERY, targets: [target], totalWeight: 1 };
  return { name: `inbound|tcp|${port}`, service: host, port, routes: [route] };
}

/** A port of a service that is opened for the application; `upstream`: 'orders-db:5432'. */
export function upstreamService(upstream: string, scope: TcpScope): CompiledTcp {
  const { node, services } = scope;
  const { host: named, port } = splitHostPort(upstream);
  const host = fullHost(named, node.namespace, services);
  const problems: Problem[] = [];
  const ruled = scope.rulesOf(host).flatMap((rule) => ruleRoutes(rule.resource, port, scope, problems));
  const own = targetOf(1, host, port, '', scope);
  const routes = ruled.length > 0 ? ruled : [{ origin: '', ...EVERY, targets: [own], totalWeight: 1 }];
  return compiled({ name: hostPort(host, port), service: host, port, routes }, problems);
}

function compiled(service: TcpService, problems: readonly Problem[]): CompiledTcp {
  const clusters = service.routes.flatMap(({ targets }) => targets.flatMap(({ cluster }) => cluster ?? []));
  return { service, part: new RoutePart([], problems, clusters) };
}

function ruleRoutes(resource: Rule['resource'], port: number, scope: TcpScope, problems: Problem[]): TcpRoute[] {
  const { metadata, spec } = resource;
  return (spec.tcp ?? []).flatMap((route, index): TcpRoute[] => {
    const matches = (route.match ?? []).filter((match) => applies(match, metadata.namespace, port, scope));
    if (route.match !== undefined && route.match.length > 0 && matches.length === 0) return [];
    const targets = targetsOf(resource, index, route, port, scope, problems);
    if (targets.length === 0) return [];
    const totalWeight = targets.reduce((sum, { weight }) => sum + weight, 0);
    return [{ origin: `${metadata.namespace}/${metadata.name}`, ...matchOf(matches), targets, totalWeight }];
  });
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
  index: number,
  { route }: TCPRoute,
  port: number,
  scope: TcpScope,
  problems: Problem[],
): TcpTarget[] {
  return route.flatMap(({ destination, weight }, at): TcpTarget[] => {
    const share = route.length === 1 ? 1 : (weight ?? 0);
    if (share === 0) return [];
    const { host, number, subset } = placeOf(destination, resource.metadata.namespace, port, scope);
    const target = targetOf(share, host, number, subset, scope);
    if (target.cluster === null) problems.push(missing(resource, index, at, host, number, subset));
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

function missing(resource: Resource, index: number, at: number, host: string, port: number, subset: string): Problem {
  const what = `port ${port}${subset === '' ? '' : ` and subset "${subset}"`} of host "${host}"`;
  return {
    severity: 'warning',
    code: 'IST0101',
    message: `Referenced ${what} not found`,
    resource: resourceKey(resource),
    pointer: `/spec/tcp/${index}/route/${at}/destination`,
  };
}
