// One VirtualService's http section compiled to routes. Destinations that do not exist leave a target without a cluster
// and a problem that says so.

import { retryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { parseDuration } from '../config/duration.ts';
import { gatewayKey } from '../config/gateway-reference.ts';
import type { Destination, HTTPMatchRequest, HTTPRoute, VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { authorityOf } from '../config/schemas/header-operations.ts';
import type { HTTPRetry } from '../config/schemas/http-actions.ts';
import { exactly } from '../router/exactly.ts';
import { compileMatch } from '../router/match.ts';
import type { Route, Target } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { fieldChanges, pathRewrite, redirectOf } from './changes.ts';
import { clusterName } from './clusters.ts';
import type { ChainBuilder } from './filters.ts';
import { RoutePart } from './route-parts.ts';
import { fullHost, hasLabels, onlyPort, type Services } from './services.ts';

/** Where a VirtualService applies: the mesh's outbound ports, or one gateway ('namespace/name'). */
export interface RouteScope {
  readonly node: Node;
  readonly gateway: string;
  /** The port of the request: a service's, or a gateway server's. */
  readonly port: number;
  readonly services: Services;
  readonly chains: ChainBuilder;
  /** Of routes that say nothing of it. */
  readonly retries: HTTPRetry | undefined;
  /** The cluster of a service's port and subset; null when there is no such thing. */
  cluster(host: string, port: number, subset: string): Cluster | null;
}

export function compileRoutes(resource: Resource<VirtualServiceSpec>, scope: RouteScope): RoutePart {
  const problems: Problem[] = [];
  const routes: Route[] = [];
  const origin = `${resource.metadata.namespace}/${resource.metadata.name}`;
  for (const [index, http] of (resource.spec.http ?? []).entries()) {
    const matches = (http.match ?? []).filter((match) => applies(match, resource.metadata.namespace, scope));
    if (http.match !== undefined && http.match.length > 0 && matches.length === 0) continue;
    const route = compileRoute(resource, origin, http, index, matches, scope, problems);
    if (matches.every(({ name }) => name === undefined || name === '')) routes.push(route);
    else
      routes.push(
        ...matches.map((match) => ({ ...route, name: matchedName(http, match), matches: [compileMatch(match)] })),
      );
  }
  return new RoutePart(exactly(routes), exactly(problems));
}

/**
 * Conditions on where the request is, decided once: port, gateway, or the caller's labels and namespace. Where gateways are
 * named they decide alone, as in Istio.
 */
function applies(match: HTTPMatchRequest, namespace: string, scope: RouteScope): boolean {
  if (match.port && match.port !== scope.port) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    return match.gateways.some((gateway) => gatewayKey(gateway, namespace) === scope.gateway);
  }
  if (scope.gateway !== 'mesh') return true;
  if (match.sourceLabels !== undefined && !hasLabels(scope.node.labels, match.sourceLabels)) return false;
  return !match.sourceNamespace || match.sourceNamespace === scope.node.namespace;
}

/** A match with a name of its own shows in the route's: 'route.match'. */
function matchedName({ name: route }: HTTPRoute, { name }: HTTPMatchRequest): string {
  if (name === undefined || name === '') return route ?? 'default';
  return route === undefined ? name : `${route}.${name}`;
}

function compileRoute(
  resource: Resource<VirtualServiceSpec>,
  origin: string,
  http: HTTPRoute,
  index: number,
  matches: readonly HTTPMatchRequest[],
  scope: RouteScope,
  problems: Problem[],
): Route {
  return {
    name: http.name ?? 'default',
    origin,
    matches: exactly(matches.map(compileMatch)),
    action: actionOf(resource, http, index, scope, problems),
    responseChanges: fieldChanges([http.headers?.response]),
    chain: scope.chains.route(http),
  };
}

function actionOf(
  resource: Resource<VirtualServiceSpec>,
  http: HTTPRoute,
  index: number,
  scope: RouteScope,
  problems: Problem[],
): Route['action'] {
  if (http.redirect !== undefined) return redirectOf(http.redirect);
  if (http.directResponse !== undefined) {
    const { status, body } = http.directResponse;
    const bytes = body?.bytes === undefined ? Buffer.from(body?.string ?? '') : Buffer.from(body.bytes, 'base64');
    return { type: 'direct', status, body: bytes };
  }
  const destinations = http.route ?? [];
  // As Istio compiles it for Envoy: a sole destination's changes follow the route's, those of several go before them.
  const inTurn = <Operations>(route: Operations, its: Operations) =>
    destinations.length === 1 ? [[route, its]] : [[its], [route]];
  const targets: Target[] = [];
  for (const [at, route] of destinations.entries()) {
    // A sole destination gets everything, whatever its weight says.
    const weight = destinations.length === 1 ? 1 : (route.weight ?? 0);
    if (weight === 0) continue;
    const { host, port, subset } = resolve(route.destination, resource.metadata.namespace, scope);
    const cluster = scope.cluster(host, port, subset);
    if (cluster === null) problems.push(missing(resource, index, at, host, port, subset, scope));
    targets.push({
      weight,
      cluster,
      clusterName: cluster?.name ?? clusterName(host, port, subset),
      authority: http.rewrite?.authority || authorityOf(http.headers?.request) || authorityOf(route.headers?.request),
      requestChanges: fieldChanges(...inTurn(http.headers?.request, route.headers?.request)),
      responseChanges: fieldChanges(...inTurn(http.headers?.response, route.headers?.response)),
    });
  }
  // A route that only delegates: its requests are 503 NC.
  if (targets.length === 0) targets.push(NOWHERE);
  const timeoutMs = http.timeout === undefined ? 0 : parseDuration(http.timeout);
  return {
    type: 'forward',
    targets: exactly(targets),
    totalWeight: targets.reduce((sum, target) => sum + target.weight, 0),
    rewritePath: http.rewrite === undefined ? null : pathRewrite(http.rewrite),
    timeoutMs,
    retry: retryPolicy(http.retries ?? scope.retries, timeoutMs),
  };
}

const NOWHERE: Target = Object.freeze({
  weight: 1,
  cluster: null,
  clusterName: '',
  authority: null,
  requestChanges: null,
  responseChanges: null,
});

/** Short names belong to the rule's namespace; a port may be left out where the service has only one. */
function resolve(
  destination: Destination,
  namespace: string,
  scope: RouteScope,
): { host: string; port: number; subset: string } {
  const host = fullHost(destination.host, namespace, scope.services);
  const service = scope.services.get(host);
  const only = service === undefined ? null : onlyPort(service);
  return { host, port: destination.port?.number ?? only ?? scope.port, subset: destination.subset ?? '' };
}

function missing(
  resource: Resource,
  index: number,
  at: number,
  host: string,
  port: number,
  subset: string,
  scope: RouteScope,
): Problem {
  const service = scope.services.get(host);
  const what =
    service === undefined
      ? `host "${host}"`
      : service.ports.some((candidate) => candidate.number === port)
        ? `subset "${subset}" of host "${host}"`
        : `port ${port} of host "${host}"`;
  return {
    severity: 'warning',
    code: 'IST0101',
    message: `Referenced ${what} not found`,
    resource: resourceKey(resource),
    pointer: `/spec/http/${index}/route/${at}/destination`,
  };
}
