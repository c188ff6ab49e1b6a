// Which part of the mesh a proxy imports, as Istio reads Sidecars: of the one that is for this proxy, the hosts of its egress
// listeners say which services and which VirtualServices are there. Without one it is all that is exported to the proxy's namespace.

import { ROOT_NAMESPACE } from '../config/attachment.ts';
import { hostCovers, hostForms, hostsOverlap, plainHost } from '../config/hosts.ts';
import type { SidecarSpec } from '../config/kinds/sidecar.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import type { Node } from '../workload.ts';
import { hasLabels, type Service } from './services.ts';

/** Where a request goes whose host nobody knows. */
export type OutboundPolicy = 'ALLOW_ANY' | 'REGISTRY_ONLY';

export interface Scope {
  /** Does it leave nothing out? */
  readonly everything: boolean;
  /** What the Sidecar says of hosts that are not known; null: nothing. */
  readonly outboundPolicy: OutboundPolicy | null;
  /** May calls to this port of the service be made? */
  imports(service: Service, port: number): boolean;
  /** Is the VirtualService one for calls to this port, 0: to any? */
  importsRule(rule: Resource<VirtualServiceSpec>, port: number): boolean;
  /** May a service of this host and namespace be called on any of its ports? */
  mayImport(host: string, namespace: string): boolean;
  /** May a DestinationRule of this namespace, for this host or pattern, shape a service that is imported by its name? */
  mayShape(namespace: string, host: string): boolean;
}

export const EVERYTHING: Scope = Object.freeze({
  everything: true,
  outboundPolicy: null,
  imports: () => true,
  importsRule: () => true,
  mayImport: () => true,
  mayShape: () => true,
});

/** 'namespace/host', split; of any namespace: '*'. */
interface EgressHost {
  readonly namespace: string;
  readonly host: string;
}

type Egress = readonly EgressHost[];

/** The Sidecar that is for this proxy, of all, sorted by name: its namespace's own before the root's. Gateways have none. */
export function sidecarOf(node: Node, all: readonly Resource<SidecarSpec>[]): Resource<SidecarSpec> | null {
  if (node.role === 'gateway') return null;
  const own = all.filter(({ metadata }) => metadata.namespace === node.namespace);
  return (
    own.find(
      ({ spec: { workloadSelector } }) => workloadSelector && hasLabels(node.labels, workloadSelector.labels ?? {}),
    ) ??
    own.find(isForAll) ??
    all.find((sidecar) => sidecar.metadata.namespace === ROOT_NAMESPACE && isForAll(sidecar)) ??
    null
  );
}

/** What this Sidecar, null: none, leaves in for proxies of a namespace. */
export function scopeOf(sidecar: Resource<SidecarSpec> | null, namespace: string): Scope {
  if (sidecar === null) return EVERYTHING;
  const { egress = [], outboundTrafficPolicy } = sidecar.spec;
  // Where a policy is given without a mode, it is the first one of Istio's.
  const outboundPolicy = outboundTrafficPolicy === undefined ? null : (outboundTrafficPolicy.mode ?? 'REGISTRY_ONLY');
  if (egress.length === 0) return { ...EVERYTHING, outboundPolicy };
  const byPort = new Map<number, Egress>();
  const others: EgressHost[] = [];
  for (const { port, hosts } of egress) {
    const listed = hosts.map((host) => splitHost(host, namespace));
    // A listener for clients of a proxy, or on a socket, is for services of every port.
    if (port?.number && port.protocol?.toUpperCase() !== 'HTTP_PROXY') byPort.set(port.number, listed);
    else others.push(...listed);
  }
  const listenerOf = (port: number): Egress => byPort.get(port) ?? others;
  const all = [...byPort.values()].flat().concat(others);
  return {
    everything: byPort.size === 0 && others.some(({ namespace: of, host }) => of === '*' && host === '*'),
    outboundPolicy,
    imports: ({ host, namespace: owner }, port) => takes(listenerOf(port), host, owner),
    importsRule: (rule, port) => takesRule(port === 0 ? all : listenerOf(port), rule),
    mayImport: (host, owner) => takes(all, host, owner),
    mayShape: (owner, host) =>
      host.startsWith('*') ||
      // Rules are looked for in the namespaces of the proxy and of the service, and in the root's.
      all.some(
        (each) => hostCovers(each.host, host) && (owner === namespace || owner === ROOT_NAMESPACE || isIn(each, owner)),
      ),
  };
}

/** Is the rule exported to this proxy's namespace, and imported by it? `usual`: to whom it is where it says nothing. */
export function isSeen(
  rule: Resource<VirtualServiceSpec>,
  node: Node,
  scope: Scope,
  usual?: readonly string[],
): boolean {
  const { spec, metadata } = rule;
  return isVisible(spec.exportTo, metadata.namespace, node.namespace, usual) && scope.importsRule(rule, 0);
}

function isForAll({ spec: { workloadSelector } }: Resource<SidecarSpec>): boolean {
  return workloadSelector === undefined;
}

function splitHost(written: string, own: string): EgressHost {
  const slash = written.indexOf('/');
  const namespace = written.slice(0, slash);
  return { namespace: namespace === '.' ? own : namespace, host: plainHost(written.slice(slash + 1)) };
}

/** '~' is the name of no namespace. */
function isIn({ namespace }: EgressHost, of: string): boolean {
  return namespace === '*' || namespace === of;
}

function takes(egress: Egress, host: string, namespace: string): boolean {
  return egress.some((each) => isIn(each, namespace) && hostCovers(each.host, host));
}

/** One host that both speak of is enough, whichever of the two is the wider. */
function takesRule(egress: Egress, { metadata, spec }: Resource<VirtualServiceSpec>): boolean {
  return egress.some(
    (each) => isIn(each, metadata.namespace) && (spec.hosts ?? []).some((host) => overlaps(each.host, host, metadata)),
  );
}

/** A short name is a service of the rule's namespace. */
function overlaps(wanted: string, host: string, { namespace }: Resource['metadata']): boolean {
  return hostForms(host, namespace).some((form) => hostsOverlap(wanted, form));
}
