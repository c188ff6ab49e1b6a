// One VirtualService's http section compiled to routes. Destinations that do not exist leave a target without a cluster
// and a problem that says so.

import { retryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { parseDuration } from '../config/duration.ts';
import type {
  Destination,
  Headers,
  HTTPMatchRequest,
  HTTPRedirect,
  HTTPRewrite,
  HTTPRoute,
  VirtualServiceSpec,
} from '../config/kinds/virtual-service.ts';
import { compileRegex } from '../config/regex.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { FieldName } from '../http/head.ts';
import { compileMatch } from '../router/match.ts';
import type { FieldChanges, RedirectAction, Rewrite, Route, Target } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { clusterName } from './clusters.ts';
import type { ChainBuilder } from './filters.ts';
import { fullHost, hasLabels, type Service } from './services.ts';

/** Where a VirtualService applies: the mesh's outbound ports, or one gateway ('namespace/name'). */
export interface RouteScope {
  readonly node: Node;
  readonly gateway: string;
  /** The port of the request: a service's, or a gateway server's. */
  readonly port: number;
  readonly services: ReadonlyMap<string, Service>;
  readonly chains: ChainBuilder;
  /** The cluster of a service's port and subset; null when there is no such thing. */
  cluster(host: string, port: number, subset: string): Cluster | null;
}

export interface CompiledRoutes {
  readonly routes: readonly Route[];
  /** Destinations that lead nowhere. */
  readonly problems: readonly Problem[];
}

export function compileRoutes(resource: Resource<VirtualServiceSpec>, scope: RouteScope): CompiledRoutes {
  const problems: Problem[] = [];
  const routes: Route[] = [];
  for (const [index, http] of (resource.spec.http ?? []).entries()) {
    const matches = (http.match ?? []).filter((match) => applies(match, resource.metadata.namespace, scope));
    if (http.match !== undefined && http.match.length > 0 && matches.length === 0) continue;
    const route = compileRoute(resource, http, index, matches, scope, problems);
    if (matches.every(({ name }) => name === undefined || name === '')) routes.push(route);
    else
      routes.push(
        ...matches.map((match) => ({ ...route, name: matchedName(http, match), matches: [compileMatch(match)] })),
      );
  }
  return { routes, problems };
}

/**
 * Conditions on where the request is, decided once: port, gateway, or the caller's labels and namespace. Where gateways are
 * named they decide alone, as in Istio.
 */
function applies(match: HTTPMatchRequest, namespace: string, scope: RouteScope): boolean {
  if (match.port !== undefined && match.port !== scope.port) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    return match.gateways.some((gateway) => gatewayName(gateway, namespace) === scope.gateway);
  }
  if (scope.gateway !== 'mesh') return true;
  if (match.sourceLabels !== undefined && !hasLabels(scope.node.labels, match.sourceLabels)) return false;
  return match.sourceNamespace === undefined || match.sourceNamespace === scope.node.namespace;
}

/** 'mesh', or 'namespace/name'. */
export function gatewayName(reference: string, namespace: string): string {
  return reference === 'mesh' || reference.includes('/') ? reference : `${namespace}/${reference}`;
}

/** A match with a name of its own shows in the route's: 'route.match'. */
function matchedName({ name: route }: HTTPRoute, { name }: HTTPMatchRequest): string {
  if (name === undefined || name === '') return route ?? 'default';
  return route === undefined ? name : `${route}.${name}`;
}

function compileRoute(
  resource: Resource<VirtualServiceSpec>,
  http: HTTPRoute,
  index: number,
  matches: readonly HTTPMatchRequest[],
  scope: RouteScope,
  problems: Problem[],
): Route {
  const { name, namespace } = resource.metadata;
  return {
    name: http.name ?? 'default',
    origin: `${namespace}/${name}`,
    matches: matches.map(compileMatch),
    action: actionOf(resource, http, index, scope, problems),
    requestChanges: changesOf(http.headers?.request),
    responseChanges: changesOf(http.headers?.response),
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
      clusterName: clusterName(host, port, subset),
      requestChanges: changesOf(route.headers?.request),
      responseChanges: changesOf(route.headers?.response),
    });
  }
  // A route that only delegates: its requests are 503 NC.
  if (targets.length === 0) targets.push(NOWHERE);
  const timeoutMs = http.timeout === undefined ? 0 : parseDuration(http.timeout);
  return {
    type: 'forward',
    targets,
    totalWeight: targets.reduce((sum, target) => sum + target.weight, 0),
    rewrite: http.rewrite === undefined ? null : rewriteOf(http.rewrite),
    timeoutMs,
    retry: retryPolicy(http.retries, timeoutMs),
  };
}

const NOWHERE: Target = Object.freeze({
  weight: 1,
  cluster: null,
  clusterName: '',
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
  const ports = scope.services.get(host)?.ports ?? [];
  const named = destination.port?.number;
  const only = ports.length === 1 ? ports[0].number : scope.port;
  return { host, port: named ?? only, subset: destination.subset ?? '' };
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

function redirectOf(redirect: HTTPRedirect): RedirectAction {
  return {
    type: 'redirect',
    status: redirect.redirectCode ?? 301,
    scheme: redirect.scheme ?? '',
    authority: redirect.authority ?? '',
    port: redirect.port ?? 0,
    path: redirect.uri ?? '',
    prefixRewrite: redirect.prefixRewrite ?? '',
  };
}

function rewriteOf(rewrite: HTTPRewrite): Rewrite {
  const authority = rewrite.authority ?? null;
  if (rewrite.uriRegexRewrite !== undefined) {
    const regex = compileRegex(rewrite.uriRegexRewrite.match ?? '');
    const replacement = javaScriptReplacement(rewrite.uriRegexRewrite.rewrite ?? '');
    return {
      authority,
      path(path) {
        const mark = path.indexOf('?');
        const bare = mark < 0 ? path : path.slice(0, mark);
        return regex.matcher(bare).replaceAll(replacement) + (mark < 0 ? '' : path.slice(mark));
      },
    };
  }
  if (rewrite.uri === undefined) return { authority, path: null };
  // What is rewritten to nothing is the root.
  const uri = rewrite.uri === '' ? '/' : rewrite.uri;
  return { authority, path: (path, covered) => joinRewritten(uri, path.slice(covered)) };
}

/** RE2 writes \0 for the match, \1 for its first group and \\\\ for a backslash; a dollar sign means nothing. */
function javaScriptReplacement(rewrite: string): string {
  return rewrite.replace(/\$|\\([\d\\])/g, (found, escaped: string | undefined) => {
    if (found === '$') return '$$';
    return escaped === '\\' ? escaped : escaped === '0' ? '$&' : `$${escaped}`;
  });
}

/** '/api/' rewritten to '/' turns '/api/x' into '/x', and '/api' rewritten to '/' turns it into '/x' as well. */
function joinRewritten(uri: string, rest: string): string {
  return uri.endsWith('/') && rest.startsWith('/') ? uri + rest.slice(1) : uri + rest;
}

function changesOf(operations: NonNullable<Headers['request']> | undefined): FieldChanges | null {
  if (operations === undefined) return null;
  return {
    remove: (operations.remove ?? []).map((name) => new FieldName(name)),
    set: Object.entries(operations.set ?? {}).map(([name, value]) => [new FieldName(name), value] as const),
    add: Object.entries(operations.add ?? {}),
  };
}
