// VirtualService: hosts and the routes their requests take. Shapes and what Istio's own validation asks of them.

import { isIP } from 'node:net';
import { quote, serverName } from '../formats.ts';
import { gatewayKey, gatewayReference, isOldReference } from '../gateway-reference.ts';
import { boundHost, hostCovers, hostsOverlap, isSubsetName } from '../hosts.ts';
import { defineKind, type Inventory, notFound, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { array, defaulted, object, optional, type Report, type Static } from '../schema.ts';
import { claimPath } from '../schemas/claim-header.ts';
import type { Destination } from '../schemas/destination.ts';
import { checkExportTo, checkOwnExport, exportTo, NETWORKING } from '../schemas/networking.ts';
import { type HTTPMatchRequest, HTTPRoute } from '../schemas/virtual-service-http.ts';
import { TCPRoute, TLSRoute } from '../schemas/virtual-service-tcp.ts';
import type { Path } from '../walk.ts';
import { type GatewaySpec, gateway } from './gateway.ts';

export type { Destination } from '../schemas/destination.ts';
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
  HTTPMatchRequest,
  HTTPMirrorPolicy,
  HTTPRoute,
  HTTPRouteDestination,
} from '../schemas/virtual-service-http.ts';

export const VirtualServiceSpec = object(
  {
    /** Empty: a delegate, which others route to. */
    hosts: defaulted(array(serverName), []),
    gateways: optional(array(gatewayReference)),
    http: optional(array(HTTPRoute)),
    tls: optional(array(TLSRoute)),
    tcp: optional(array(TCPRoute)),
    exportTo,
  },
  {
    check(spec, report) {
      const { hosts, http = [], tls = [], tcp = [] } = spec;
      checkExportTo(spec.exportTo, false, report);
      checkHosts(spec, report);
      if (isOnMesh(spec)) claimsOutsideGateways(http, report);
      if (http.length + tls.length + tcp.length === 0) {
        report.error([], 'required', 'a VirtualService needs at least one route in http, tls or tcp');
      }
      if (hosts.length === 0) checkDelegate(spec, report);
      else checkServerNames(spec, report);
      tellOldReferences(spec, report);
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
  check: checkOwnExport,
  references,
  groups,
  conflicts,
});

/** The section that the checks look at, of a type that stands before the schema that has it. */
interface Rule {
  readonly hosts: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HTTPRoute[];
  readonly tls?: readonly TLSRoute[];
  readonly tcp?: readonly TCPRoute[];
}

function isOnMesh({ gateways = [] }: Rule): boolean {
  return gateways.length === 0 || gateways.includes('mesh');
}

function checkHosts(spec: Rule, report: Report): void {
  const { hosts, tls = [] } = spec;
  const onMesh = isOnMesh(spec);
  hosts.forEach((name, i) => {
    const earlier = hosts.slice(0, i).find((other) => hostsOverlap(other, name));
    if (earlier?.toLowerCase() === name.toLowerCase())
      report.error(['hosts', i], 'duplicate', `the host ${quote(name)} is listed twice`);
    else if (earlier !== undefined) {
      const message = `the hosts ${quote(earlier)} and ${quote(name)} overlap: one says it all`;
      report.error(['hosts', i], 'duplicate', message);
    }
    if (name === '*' && onMesh) {
      const message = "the host '*' needs a gateway: on the mesh gateway it would cover every service";
      report.error(['hosts', i], 'host', message);
    } else if (isSubsetName(name) && (onMesh || tls.length === 0)) {
      report.error(['hosts', i], 'host', `${quote(name)} is a name for TLS routes of gateways alone`);
    }
  });
}

/** One without hosts is routed to by others. */
function checkDelegate({ gateways, http = [], tls, tcp }: Rule, report: Report): void {
  if (gateways?.length || tls?.length || tcp?.length) {
    const message = 'hosts must not be empty (only a delegate has none, and it has no gateways, tls or tcp)';
    report.error(['hosts'], 'required', message);
  }
  http.forEach(({ delegate }, i) => {
    if (delegate === undefined) return;
    report.error(
      ['http', i, 'delegate'],
      'contradiction',
      'a VirtualService without hosts is a delegate, and has none',
    );
  });
}

function checkServerNames(spec: Rule, report: Report): void {
  const { hosts, tls = [] } = spec;
  const onMesh = isOnMesh(spec);
  const each = (sni: string, path: Path): void => {
    if (isIP(sni) !== 0) {
      report.warning(path, 'host', `${quote(sni)} is an address, which clients of TLS do not send as a name`);
    } else if (isSubsetName(sni) && onMesh) {
      report.error(path, 'host', `${quote(sni)} is a name for TLS routes of gateways alone`);
    } else if (!hosts.some((name) => hostCovers(name, sni))) {
      report.error(path, 'host', `the SNI host ${quote(sni)} is not covered by hosts`);
    }
  };
  tls.forEach(({ match }, i) => {
    match.forEach(({ sniHosts }, j) => {
      sniHosts.forEach((sni, k) => {
        each(sni, ['tls', i, 'match', j, 'sniHosts', k]);
      });
    });
  });
}

function tellOldReferences({ gateways, http = [], tls = [], tcp = [] }: Rule, report: Report): void {
  const each = (references: readonly string[] | undefined, path: Path): void => {
    references?.forEach((reference, i) => {
      if (!isOldReference(reference)) return;
      const message = `${quote(reference)} is the old way to name a gateway: write ${gatewayKey(reference, '')}`;
      report.warning([...path, 'gateways', i], 'deprecated', message);
    });
  };
  each(gateways, []);
  for (const [section, routes] of Object.entries({ http, tls, tcp })) {
    for (const [i, { match }] of routes.entries()) {
      for (const [j, { gateways: its }] of (match ?? []).entries()) each(its, [section, i, 'match', j]);
    }
  }
}

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
  const [owner, name] = gatewayKey(reference, namespace).split('/');
  return inventory.get(gateway, owner, name);
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

/** Every request has these: an empty match of one matches them all. */
const ANYTHING = ['uri', 'scheme', 'method', 'authority'];

function isEverything(match: HTTPMatchRequest): boolean {
  return Object.keys(match).every((field) => {
    if (field === 'name' || field === 'statPrefix' || field === 'ignoreUriCase') return true;
    const value = match[field as keyof HTTPMatchRequest];
    if (field === 'uri' && match.uri?.prefix === '/') return true;
    return ANYTHING.includes(field) && typeof value === 'object' && Object.keys(value).length === 0;
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

/** The hosts for which it has routes on the mesh gateway. */
function groups({ metadata, spec }: Resource<VirtualServiceSpec>, inventory: Inventory): readonly string[] {
  if (!isOnMesh(spec)) return [];
  return [...new Set(spec.hosts.map((host) => inventory.resolve(host, metadata.namespace)))];
}

/** IST0109: several VirtualServices for one host on the mesh gateway: what one says hides what the next says. */
function conflicts(
  resources: readonly Resource<VirtualServiceSpec>[],
  host: string,
  inventory: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  const entries = resources.flatMap((resource) =>
    resource.spec.hosts.flatMap((each, i) =>
      inventory.resolve(each, resource.metadata.namespace) === host ? { resource, path: ['spec', 'hosts', i] } : [],
    ),
  );
  if (entries.length < 2) return;
  const seen = entries.filter((entry) =>
    entries.some((other) => other !== entry && meet(entry.resource, other.resource)),
  );
  if (seen.length < 2) return;
  const names = seen.map(({ resource: { metadata } }) => `${metadata.namespace}/${metadata.name}`).sort();
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  const message = `the VirtualServices ${names.slice(0, MOST_NAMES).join(', ')}${more} define the same host "${host}" on the mesh gateway: their routes are tried in this order; merge them`;
  for (const { resource, path } of seen) warn(resource, 'IST0109', path, message);
}

/** Of those that define one host, in a message. */
const MOST_NAMES = 20;

/** Are both seen by somebody? One that is exported to its own namespace only is hidden from the others. */
function meet(left: Resource<VirtualServiceSpec>, right: Resource<VirtualServiceSpec>): boolean {
  if (left.metadata.namespace === right.metadata.namespace) return true;
  const wide = ({ spec }: Resource<VirtualServiceSpec>): boolean =>
    !spec.exportTo?.length || spec.exportTo.includes('*');
  return wide(left) && wide(right);
}
