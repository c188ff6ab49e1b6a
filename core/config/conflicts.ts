// Resources that get in each other's way, and rules that never come into play.

import { hostsOverlap } from './hosts.ts';
import type { Index } from './inventory.ts';
import { isKind } from './kind-names.ts';
import type { GatewaySpec } from './kinds/gateway.ts';
import type { VirtualServiceSpec } from './kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from './resource.ts';
import { type Path, pointer } from './walk.ts';

export function conflicts(index: Index): Problem[] {
  const virtualServices = index.all.filter((resource) => isKind(resource, 'VirtualService'));
  const gateways = index.all.filter((resource) => isKind(resource, 'Gateway'));
  return [
    ...sharedHosts(virtualServices, index),
    ...virtualServices.flatMap(hiddenRoutes),
    ...hostsOutsideGateways(virtualServices, gateways),
    ...sharedServers(gateways),
  ];
}

function warning(resource: Resource, code: string, path: Path, message: string): Problem {
  return { severity: 'warning', code, message, resource: resourceKey(resource), pointer: pointer(path) };
}

function nameOf({ metadata }: Resource): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** IST0109: several VirtualServices for one host on the mesh gateway; which one applies is not for the author to see. */
function sharedHosts(virtualServices: readonly Resource<VirtualServiceSpec>[], index: Index): Problem[] {
  const owners = new Map<string, { resource: Resource<VirtualServiceSpec>; path: Path }[]>();
  for (const resource of virtualServices) {
    const { gateways, hosts } = resource.spec;
    if (gateways !== undefined && gateways.length > 0 && !gateways.includes('mesh')) continue;
    hosts.forEach((host, i) => {
      const full = index.resolve(host, resource.metadata.namespace);
      const entry = { resource, path: ['spec', 'hosts', i] };
      const others = owners.get(full);
      if (others === undefined) owners.set(full, [entry]);
      else others.push(entry);
    });
  }
  const problems: Problem[] = [];
  for (const [host, entries] of owners) {
    const seen = entries.filter((entry) =>
      entries.some((other) => other !== entry && meet(entry.resource, other.resource)),
    );
    if (seen.length < 2) continue;
    const names = seen.map(({ resource }) => nameOf(resource)).sort();
    const message = `the VirtualServices ${names.join(', ')} define the same host "${host}" on the mesh gateway: only one takes effect; merge them`;
    for (const { resource, path } of seen) problems.push(warning(resource, 'IST0109', path, message));
  }
  return problems;
}

/** Are both seen by somebody? One that is exported to its own namespace only is hidden from the others. */
function meet(left: Resource<VirtualServiceSpec>, right: Resource<VirtualServiceSpec>): boolean {
  if (left.metadata.namespace === right.metadata.namespace) return true;
  const wide = ({ spec }: Resource<VirtualServiceSpec>): boolean =>
    !spec.exportTo?.length || spec.exportTo.includes('*');
  return wide(left) && wide(right);
}

/** IST0130: routes after one that takes every request. */
function hiddenRoutes(resource: Resource<VirtualServiceSpec>): Problem[] {
  const routes = resource.spec.http ?? [];
  const last = routes.findIndex(({ match }) => match === undefined || match.length === 0 || match.some(isEverything));
  if (last < 0) return [];
  return routes.slice(last + 1).map(({ name }, i) => {
    const at = last + 1 + i;
    const which = name ? `"${name}"` : `#${at}`;
    return warning(
      resource,
      'IST0130',
      ['spec', 'http', at],
      `the route ${which} is never used: #${last} before it takes every request`,
    );
  });
}

function isEverything(match: NonNullable<NonNullable<VirtualServiceSpec['http']>[number]['match']>[number]): boolean {
  return Object.keys(match).every((field) => {
    if (field === 'name' || field === 'statPrefix' || field === 'ignoreUriCase') return true;
    return field === 'uri' && match.uri?.prefix === '/';
  });
}

/** IST0132: a host for which the named gateway has no server. */
function hostsOutsideGateways(
  virtualServices: readonly Resource<VirtualServiceSpec>[],
  gateways: readonly Resource<GatewaySpec>[],
): Problem[] {
  const byName = new Map(gateways.map((gateway) => [nameOf(gateway), gateway]));
  const problems: Problem[] = [];
  for (const resource of virtualServices) {
    const { namespace } = resource.metadata;
    for (const reference of resource.spec.gateways ?? []) {
      const gateway = byName.get(reference.includes('/') ? reference : `${namespace}/${reference}`);
      if (gateway === undefined) continue;
      const served = gateway.spec.servers
        .flatMap(({ hosts }) => hosts)
        .map((host) => host.slice(host.indexOf('/') + 1));
      resource.spec.hosts.forEach((host, i) => {
        if (served.some((pattern) => hostsOverlap(pattern, host))) return;
        const message = `the host "${host}" is not among the hosts of the Gateway ${nameOf(gateway)}`;
        problems.push(warning(resource, 'IST0132', ['spec', 'hosts', i], message));
      });
    }
  }
  return problems;
}

/** IST0145: two Gateways with one selector that serve the same host on the same port. */
function sharedServers(gateways: readonly Resource<GatewaySpec>[]): Problem[] {
  const groups = new Map<string, Resource<GatewaySpec>[]>();
  for (const gateway of gateways) {
    const selector = JSON.stringify(Object.entries(gateway.spec.selector ?? {}).sort());
    const group = groups.get(selector);
    if (group === undefined) groups.set(selector, [gateway]);
    else group.push(gateway);
  }
  const problems: Problem[] = [];
  for (const group of groups.values()) {
    for (const [at, gateway] of group.entries()) {
      for (const [i, server] of gateway.spec.servers.entries()) {
        const other = group.find(
          (candidate, j) => j !== at && candidate.spec.servers.some((its) => clash(server, its)),
        );
        if (other === undefined) continue;
        const message = `the Gateway ${nameOf(other)} serves the same hosts on port ${server.port.number} of the same proxies`;
        problems.push(warning(gateway, 'IST0145', ['spec', 'servers', i], message));
      }
    }
  }
  return problems;
}

type Server = GatewaySpec['servers'][number];

function clash(left: Server, right: Server): boolean {
  // '*' beside a named host is no conflict: the more exact one wins.
  return left.port.number === right.port.number && left.hosts.some((host) => right.hosts.includes(host));
}
