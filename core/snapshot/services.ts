// The registry: which services there are, under which names, on which ports, and which endpoints belong to them.
// Services come from Service and ServiceEntry resources, and from workloads that registered themselves by a name.

import type { Policies } from '../builtins/builtin.ts';
import { fqdn, hostForms, plainHost, serviceNames } from '../config/hosts.ts';
import type { ServiceSpec } from '../config/kinds/service.ts';
import type { ServiceEntrySpec } from '../config/kinds/service-entry.ts';
import type { WorkloadEntrySpec } from '../config/kinds/workload-entry.ts';
import type { Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import type { Node, WorkloadEndpoint } from '../workload.ts';
import type { Memo } from './memo.ts';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  /** Upper case: HTTP, HTTP2, GRPC, TLS, TCP...; '' = not said. */
  readonly protocol: string;
  /** 0 = the same number; OWN_PORT = whichever each workload has. */
  readonly targetPort: number;
}

export const OWN_PORT = -1;
/** Of a service that nobody described: what a URL without a port means. */
const DEFAULT_PORT = 80;

export interface Service {
  /** 'reviews.default.svc.cluster.local' */
  readonly host: string;
  /** Everything a client may call it, `host` included. Wildcards allowed ('*.example.com'). */
  readonly names: readonly string[];
  readonly namespace: string;
  readonly ports: readonly ServicePort[];
  /** Workloads with these labels belong to it; null: only who registered by name. */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly resolution: 'STATIC' | 'DNS' | 'NONE';
  /** Addresses that the resource itself lists. */
  readonly fixed: readonly FixedEndpoint[];
}

export interface FixedEndpoint {
  /** An address, or with resolution DNS a host name. */
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly weight: number;
}

export interface MeshState {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly endpoints: readonly WorkloadEndpoint[];
}

/**
 * All services that this proxy sees, by full host name. Of several of one name the proxy's own namespace comes first, then
 * the first by namespace and name. Services that did not change are the same objects as last time.
 */
export function collectServices(policies: Policies, state: MeshState, node: Node, memo: Memo): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const resource of policies('Service')) {
    const { name, namespace, annotations } = resource.metadata;
    const exportTo = annotations?.['networking.istio.io/exportTo']?.split(',').map((to) => to.trim());
    if (!isVisible(exportTo, namespace, node.namespace)) continue;
    const service = memo.of(`service ${namespace}/${name}`, [resource], () => fromService(resource));
    services.set(service.host, service);
  }
  const own = ({ metadata }: Resource): number => (metadata.namespace === node.namespace ? 0 : 1);
  for (const resource of policies('ServiceEntry').toSorted((a, b) => own(a) - own(b))) {
    const { name, namespace } = resource.metadata;
    if (!isVisible(resource.spec.exportTo, namespace, node.namespace)) continue;
    const entries = memo.of(`service-entry ${namespace}/${name}`, [resource], () => fromServiceEntry(resource));
    for (const service of entries) if (!services.has(service.host)) services.set(service.host, service);
  }
  addRegistered(services, state.endpoints, memo);
  return services;
}

function fromService(resource: Resource<ServiceSpec>): Service {
  const { name, namespace } = resource.metadata;
  const { spec } = resource;
  const names = serviceNames(name, namespace);
  if (spec.clusterIP !== undefined && spec.clusterIP !== 'None' && spec.clusterIP !== '') names.push(spec.clusterIP);
  return {
    host: fqdn(resource.metadata.name, resource.metadata.namespace),
    names,
    namespace,
    selector: spec.selector ?? null,
    resolution: 'STATIC',
    fixed: [],
    ports: (spec.ports ?? []).map((port) => ({
      number: port.port,
      name: port.name ?? '',
      protocol: (port.appProtocol ?? port.name?.split('-')[0] ?? '').toUpperCase(),
      targetPort: typeof port.targetPort === 'number' ? port.targetPort : 0,
    })),
  };
}

function fromServiceEntry(resource: Resource<ServiceEntrySpec>): Service[] {
  const { spec } = resource;
  const dns = spec.resolution === 'DNS' || spec.resolution === 'DNS_ROUND_ROBIN' || spec.resolution === 'DYNAMIC_DNS';
  return spec.hosts.map(plainHost).map((host) => ({
    host,
    names: [host, ...(spec.addresses ?? []).filter((address) => !address.includes('/'))],
    namespace: resource.metadata.namespace,
    selector: spec.workloadSelector?.labels ?? null,
    resolution: spec.resolution === 'STATIC' ? 'STATIC' : dns ? 'DNS' : 'NONE',
    fixed: (spec.endpoints ?? []).flatMap(({ address, ports = {}, labels = {}, weight = 1 }) =>
      address ? [{ address, ports, labels, weight }] : [],
    ),
    ports: (spec.ports ?? []).map((port) => ({
      number: port.number,
      name: port.name ?? '',
      protocol: (port.protocol ?? '').toUpperCase(),
      targetPort: port.targetPort ?? 0,
    })),
  }));
}

/**
 * Workloads that registered under a name nobody described make a service of that name: on the default port all of them, whichever
 * their applications' ports are, and on each of those ports who has it.
 */
function addRegistered(services: Map<string, Service>, endpoints: readonly WorkloadEndpoint[], memo: Memo): void {
  const ports = new Map<string, { name: string; namespace: string; numbers: Set<number> }>();
  for (const endpoint of endpoints) {
    for (const name of endpoint.services) {
      const host = fqdn(name, endpoint.namespace);
      if (services.has(host)) continue;
      const known = ports.get(host) ?? { name, namespace: endpoint.namespace, numbers: new Set<number>() };
      known.numbers.add(endpoint.appPort);
      ports.set(host, known);
    }
  }
  for (const [host, { name, namespace, numbers }] of ports) {
    const sorted = [...numbers].sort((a, b) => a - b);
    services.set(
      host,
      memo.of(`registered ${host}`, sorted, () => ({
        host,
        names: name.includes('.') ? [name] : serviceNames(name, namespace),
        namespace,
        selector: null,
        resolution: 'STATIC' as const,
        fixed: [],
        ports: [
          { number: DEFAULT_PORT, name: '', protocol: '', targetPort: OWN_PORT },
          ...sorted
            .filter((number) => number !== DEFAULT_PORT)
            .map((number) => ({ number, name: '', protocol: '', targetPort: number })),
        ],
      })),
    );
  }
}

/** WorkloadEntry resources as endpoints. One of another network may have no address, and is not to be reached. */
export function workloadEntries(
  entries: readonly Resource<WorkloadEntrySpec>[],
  trustDomain: string,
): WorkloadEndpoint[] {
  const addressed = entries.filter(({ spec }) => spec.address);
  return addressed.map(({ metadata, spec }) => ({
    id: `${metadata.namespace}/${metadata.name}`,
    name: metadata.name,
    workload: metadata.name,
    namespace: metadata.namespace,
    serviceAccount: spec.serviceAccount ?? 'default',
    trustDomain,
    labels: { ...metadata.labels, ...spec.labels },
    services: [],
    address: spec.address ?? '',
    port: 0,
    appPort: 0,
    ports: spec.ports ?? {},
    weight: spec.weight ?? 1,
    locality: '',
  }));
}

/** The port that is meant where none is named; null: there are several. */
export function onlyPort({ ports }: Service): number | null {
  const meant = ports.length === 1 ? ports[0] : ports.find(({ targetPort }) => targetPort === OWN_PORT);
  return meant?.number ?? null;
}

/** The address and port of this workload for one port of the service, or null when it does not serve it. */
export function servesPort(service: Service, port: ServicePort, endpoint: WorkloadEndpoint): number | null {
  const byName = endpoint.services.some((name) => fqdn(name, endpoint.namespace) === service.host);
  const bySelector =
    service.selector !== null &&
    endpoint.namespace === service.namespace &&
    hasLabels(endpoint.labels, service.selector);
  if (!byName && !bySelector) return null;
  if (port.targetPort === OWN_PORT) return byName ? endpoint.port : null;
  const wanted = port.targetPort || port.number;
  if (endpoint.ports !== undefined) return endpoint.ports[port.name] ?? wanted;
  // A Gateway's port is the service's, as in Istio; one that names the port behind it is understood, too.
  if (endpoint.gateway === true) return [port.number, wanted].includes(endpoint.appPort) ? endpoint.port : null;
  if (endpoint.appPort === wanted) return endpoint.port || wanted;
  // On one machine several instances cannot all listen on the port that the Service names: whoever registers by the
  // service's name serves its only port, whichever his own is.
  return byName && service.ports.length === 1 ? endpoint.port : null;
}

/** A host as a rule names it, by the name under which the registry knows it. */
export function fullHost(host: string, namespace: string, services: ReadonlyMap<string, Service>): string {
  const forms = hostForms(host, namespace);
  return forms.find((form) => services.has(form)) ?? forms[0];
}

export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  for (const name of Object.keys(wanted)) if (labels[name] !== wanted[name]) return false;
  return true;
}

export function speaksHttp(protocol: string | undefined): boolean {
  return ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes((protocol ?? 'HTTP').toUpperCase());
}
