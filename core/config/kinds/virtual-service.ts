// VirtualService: hosts and the routes their requests take. Shapes and what Istio's own validation asks of them.

import { count, ipOrCidr, labels, port, quote, text, wildcardHost } from '../formats.ts';
import { hostCovers, hostsOverlap } from '../hosts.ts';
import { defineKind, type Inventory, notFound, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { array, defaulted, notEnforced, object, optional, type Report, type Static } from '../schema.ts';
import { claimPath } from '../schemas/claim-header.ts';
import { checkExportTo, exportTo, NETWORKING } from '../schemas/networking.ts';
import {
  checkWeights,
  Destination,
  gatewayName,
  type HTTPMatchRequest,
  HTTPRoute,
} from '../schemas/virtual-service-http.ts';
import type { Path } from '../walk.ts';
import { boundHost, type GatewaySpec, gateway } from './gateway.ts';

export type { Headers } from '../schemas/header-operations.ts';
export type {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from '../schemas/http-actions.ts';
export type { StringMatch } from '../schemas/string-match.ts';
export type {
  Delegate,
  Destination,
  HTTPMatchRequest,
  HTTPMirrorPolicy,
  HTTPRoute,
  HTTPRouteDestination,
} from '../schemas/virtual-service-http.ts';

export const RouteDestination = object({ destination: Destination, weight: optional(count) });
export type RouteDestination = Static<typeof RouteDestination>;

export const TCPRoute = object(
  {
    match: optional(
      array(
        object({
          destinationSubnets: optional(array(ipOrCidr)),
          port: optional(port),
          sourceSubnet: optional(ipOrCidr),
          sourceLabels: optional(labels),
          gateways: optional(array(gatewayName)),
          sourceNamespace: optional(text),
        }),
      ),
    ),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TCPRoute = Static<typeof TCPRoute>;

export const TLSRoute = object(
  {
    match: array(
      object({
        sniHosts: array(wildcardHost, 1),
        destinationSubnets: optional(array(ipOrCidr)),
        port: optional(port),
        sourceLabels: optional(labels),
        gateways: optional(array(gatewayName)),
        sourceNamespace: optional(text),
      }),
      1,
    ),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TLSRoute = Static<typeof TLSRoute>;

export const VirtualServiceSpec = object(
  {
    /** Empty: a delegate, which others route to. */
    hosts: defaulted(array(wildcardHost), []),
    gateways: optional(array(gatewayName)),
    http: optional(array(HTTPRoute)),
    tls: notEnforced(optional(array(TLSRoute)), 'TLS routes'),
    tcp: notEnforced(optional(array(TCPRoute)), 'TCP routes'),
    exportTo,
  },
  {
    check(spec, report) {
      const { hosts } = spec;
      const onMesh = spec.gateways === undefined || spec.gateways.length === 0 || spec.gateways.includes('mesh');
      checkExportTo(spec.exportTo, false, report);
      hosts.forEach((name, i) => {
        const earlier = hosts.slice(0, i).find((other) => hostsOverlap(other, name));
        if (earlier?.toLowerCase() === name.toLowerCase())
          report.error(['hosts', i], 'duplicate', `the host ${quote(name)} is listed twice`);
        else if (earlier !== undefined)
          report.error(
            ['hosts', i],
            'duplicate',
            `the hosts ${quote(earlier)} and ${quote(name)} overlap: one says it all`,
          );
        if (name === '*' && onMesh) {
          report.error(
            ['hosts', i],
            'host',
            "the host '*' needs a gateway: on the mesh gateway it would cover every service",
          );
        }
      });
      if (onMesh) claimsOutsideGateways(spec.http ?? [], report);
      if (!spec.http?.length && !spec.tls?.length && !spec.tcp?.length) {
        report.error([], 'required', 'a VirtualService needs at least one route in http, tls or tcp');
      }
      if (hosts.length === 0 && (spec.gateways?.length || spec.tls?.length || spec.tcp?.length)) {
        report.error(
          ['hosts'],
          'required',
          'hosts must not be empty (only a delegate has none, and it has no gateways, tls or tcp)',
        );
      }
      spec.tls?.forEach((route, i) => {
        route.match.forEach((match, j) => {
          match.sniHosts.forEach((sni, k) => {
            if (hosts.some((name) => hostCovers(name, sni))) return;
            report.error(
              ['tls', i, 'match', j, 'sniHosts', k],
              'host',
              `the SNI host ${quote(sni)} is not covered by hosts`,
            );
          });
        });
      });
    },
  },
);
export type VirtualServiceSpec = Static<typeof VirtualServiceSpec>;

export const virtualService = defineKind({
  name: 'VirtualService',
  shortNames: ['vs'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: VirtualServiceSpec,
  references,
  conflicts,
});

/** Whose token a request has is known where it enters the mesh. */
function claimsOutsideGateways(http: readonly HTTPRoute[], report: Report): void {
  for (const [i, { match = [] }] of http.entries()) {
    for (const [j, { headers = {}, withoutHeaders = {} }] of match.entries()) {
      for (const [field, given] of Object.entries({ headers, withoutHeaders })) {
        for (const name of Object.keys(given)) {
          if (claimPath(name) === null) continue;
          report.error(
            ['http', i, 'match', j, field, name],
            'contradiction',
            'routes by claims are for gateways alone: name them, and not mesh',
          );
        }
      }
    }
  }
}

/** What it refers to and is not there, and routes of it that never come into play. */
function references(resource: Resource<VirtualServiceSpec>, inventory: Inventory, warn: Warn): void {
  const { metadata, spec } = resource;
  const { namespace } = metadata;
  const byGateway = (reference: string, path: Path): void => {
    if (reference !== 'mesh' && gatewayOf(reference, namespace, inventory) === null) {
      warn('IST0101', path, notFound('gateway', reference));
    }
  };
  spec.gateways?.forEach((reference, i) => {
    byGateway(reference, ['spec', 'gateways', i]);
  });
  spec.http?.forEach((http, i) => {
    const path = ['spec', 'http', i];
    http.match?.forEach((match, j) => {
      match.gateways?.forEach((reference, k) => {
        byGateway(reference, [...path, 'match', j, 'gateways', k]);
      });
    });
  });
  for (const { to, path } of destinationsOf(spec)) missing(to, path, namespace, inventory, warn);
  spec.http?.forEach(({ delegate }, i) => {
    if (delegate === undefined) return;
    const owner = delegate.namespace || namespace;
    if (inventory.get(virtualService, owner, delegate.name) !== null) return;
    warn('IST0101', ['spec', 'http', i, 'delegate'], notFound('delegate', `${owner}/${delegate.name}`));
  });
  hiddenRoutes(spec, warn);
  outsideGateways(resource, inventory, warn);
}

function gatewayOf(reference: string, namespace: string, inventory: Inventory): Resource<GatewaySpec> | null {
  const slash = reference.indexOf('/');
  const owner = slash < 0 ? namespace : reference.slice(0, slash);
  return inventory.get(gateway, owner, reference.slice(slash + 1));
}

function destinationsOf({ http = [], tls = [], tcp = [] }: VirtualServiceSpec): { to: Destination; path: Path }[] {
  const found: { to: Destination; path: Path }[] = [];
  for (const [i, { route = [], mirror, mirrors = [] }] of http.entries()) {
    const path = ['spec', 'http', i];
    for (const [j, { destination }] of route.entries()) {
      found.push({ to: destination, path: [...path, 'route', j, 'destination'] });
    }
    if (mirror !== undefined) found.push({ to: mirror, path: [...path, 'mirror'] });
    for (const [j, { destination }] of mirrors.entries()) {
      found.push({ to: destination, path: [...path, 'mirrors', j, 'destination'] });
    }
  }
  for (const [section, routes] of Object.entries({ tls, tcp })) {
    for (const [i, { route }] of routes.entries()) {
      for (const [j, { destination }] of route.entries()) {
        found.push({ to: destination, path: ['spec', section, i, 'route', j, 'destination'] });
      }
    }
  }
  return found;
}

function missing(to: Destination, path: Path, namespace: string, inventory: Inventory, warn: Warn): void {
  const host = inventory.resolve(to.host, namespace);
  if (!inventory.hasHost(host)) {
    warn('IST0101', [...path, 'host'], notFound('host', to.host));
    return;
  }
  if (to.subset && !inventory.hasSubset(host, to.subset)) {
    warn('IST0101', [...path, 'subset'], notFound('host+subset in destinationrule', `${to.host}+${to.subset}`));
  }
  const ports = inventory.ports(host);
  if (to.port === undefined && ports.length > 1) {
    warn('IST0112', path, `the destination "${to.host}" needs a port: its service has several (${ports.join(', ')})`);
  } else if (to.port !== undefined && ports.length > 0 && !ports.includes(to.port.number)) {
    warn('IST0101', [...path, 'port'], notFound('host:port', `${to.host}:${to.port.number}`));
  }
}

/** IST0130: routes after one that takes every request. */
function hiddenRoutes({ http = [] }: VirtualServiceSpec, warn: Warn): void {
  const last = http.findIndex(({ match }) => match === undefined || match.length === 0 || match.some(isEverything));
  http.forEach(({ name }, i) => {
    if (last < 0 || i <= last) return;
    const which = name ? `"${name}"` : `#${i}`;
    const message = `the route ${which} is never used: #${last} before it takes every request`;
    warn('IST0130', ['spec', 'http', i], message);
  });
}

function isEverything(match: HTTPMatchRequest): boolean {
  return Object.keys(match).every((field) => {
    if (field === 'name' || field === 'statPrefix' || field === 'ignoreUriCase') return true;
    return field === 'uri' && match.uri?.prefix === '/';
  });
}

/** IST0132: a host for which the named gateway has no server. */
function outsideGateways({ metadata, spec }: Resource<VirtualServiceSpec>, inventory: Inventory, warn: Warn): void {
  for (const reference of spec.gateways ?? []) {
    const found = gatewayOf(reference, metadata.namespace, inventory);
    if (found === null) continue;
    const { namespace: owner, name } = found.metadata;
    const { namespace } = metadata;
    const all = found.spec.servers.flatMap(({ hosts }) => hosts);
    const served = all.flatMap((host) => boundHost(host, owner, namespace) ?? []);
    spec.hosts.forEach((host, i) => {
      if (served.some((pattern) => hostsOverlap(pattern, host))) return;
      const whose = served.length < all.length ? ` that the namespace "${namespace}" may bind to` : '';
      const message = `the host "${host}" is not among the hosts of the Gateway ${owner}/${name}${whose}`;
      warn('IST0132', ['spec', 'hosts', i], message);
    });
  }
}

/** IST0109: several VirtualServices for one host on the mesh gateway: what one says hides what the next says. */
function conflicts(
  resources: readonly Resource<VirtualServiceSpec>[],
  inventory: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  const owners = new Map<string, { resource: Resource<VirtualServiceSpec>; path: Path }[]>();
  for (const resource of resources) {
    const { gateways, hosts } = resource.spec;
    if (gateways !== undefined && gateways.length > 0 && !gateways.includes('mesh')) continue;
    hosts.forEach((host, i) => {
      const full = inventory.resolve(host, resource.metadata.namespace);
      const entry = { resource, path: ['spec', 'hosts', i] };
      const others = owners.get(full);
      if (others === undefined) owners.set(full, [entry]);
      else others.push(entry);
    });
  }
  for (const [host, entries] of owners) {
    const seen = entries.filter((entry) =>
      entries.some((other) => other !== entry && meet(entry.resource, other.resource)),
    );
    if (seen.length < 2) continue;
    const names = seen.map(({ resource: { metadata } }) => `${metadata.namespace}/${metadata.name}`).sort();
    const message = `the VirtualServices ${names.join(', ')} define the same host "${host}" on the mesh gateway: their routes are tried in this order; merge them`;
    for (const { resource, path } of seen) warn(resource, 'IST0109', path, message);
  }
}

/** Are both seen by somebody? One that is exported to its own namespace only is hidden from the others. */
function meet(left: Resource<VirtualServiceSpec>, right: Resource<VirtualServiceSpec>): boolean {
  if (left.metadata.namespace === right.metadata.namespace) return true;
  const wide = ({ spec }: Resource<VirtualServiceSpec>): boolean =>
    !spec.exportTo?.length || spec.exportTo.includes('*');
  return wide(left) && wide(right);
}
