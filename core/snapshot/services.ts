// The registry: which services there are, under which names, on which ports, and which endpoints belong to them.
// Services come from Service and ServiceEntry resources, and from workloads that registered themselves by a name.

import { fqdn, hostForms, plainHost, serviceNames } from '../config/hosts.ts';
import type { ServiceSpec } from '../config/kinds/service.ts';
import type { ServiceEntrySpec } from '../config/kinds/service-entry.ts';
import type { WorkloadEntrySpec } from '../config/kinds/workload-entry.ts';
import type { Resource } from '../config/resource.ts';
import {
  carriesBytes,
  declaresHttp,
  isServerFirst,
  listedPorts,
  protocolOfName,
  SERVER_FIRST_PORTS,
} from '../config/schemas/port-protocol.ts';
import type { WorkloadEndpoint } from '../workload.ts';

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

/** The registry as those see it who ask for hosts. */
export interface Services {
  get(host: string): Service | undefined;
  has(host: string): boolean;
}

export function fromService(resource: Resource<ServiceSpec>): Service {
  const { name, namespace, annotations } = resource.metadata;
  const { spec } = resource;
  const serverFirst = listedPorts(annotations?.[SERVER_FIRST_PORTS] ?? '');
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
      protocol: (
        port.appProtocol ??
        (protocolOfName(port.name ?? '') || (isListed(port, serverFirst) ? 'tcp' : ''))
      ).toUpperCase(),
      targetPort: typeof port.targetPort === 'number' ? port.targetPort : 0,
    })),
  };
}

export function fromServiceEntry(resource: Resource<ServiceEntrySpec>): Service[] {
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
 * their applications' ports are, and on each of those ports who has it. The same object as before when it is the same.
 */
export function registeredService(
  host: string,
  workloads: readonly WorkloadEndpoint[],
  before: Service | null,
): Service | null {
  const numbers = new Set<number>();
  let name = '';
  let namespace = '';
  for (const workload of workloads) {
    numbers.add(workload.appPort);
    for (const called of workload.services) {
      if (fqdn(called, workload.namespace) !== host) continue;
      // The shortest name is what others may shorten, too.
      const nearer = called.length - name.length || (called < name ? -1 : called > name ? 1 : 0);
      if (name !== '' && (nearer > 0 || (nearer === 0 && workload.namespace >= namespace))) continue;
      name = called;
      ({ namespace } = workload);
    }
  }
  if (name === '') return null;
  const others = [...numbers].filter((number) => number !== DEFAULT_PORT).sort((a, b) => a - b);
  const made: Service = {
    host,
    names: name.includes('.') ? [name] : serviceNames(name, namespace),
    namespace,
    selector: null,
    resolution: 'STATIC',
    fixed: [],
    ports: [
      { number: DEFAULT_PORT, name: '', protocol: '', targetPort: OWN_PORT },
      ...others.map((number) => ({ number, name: '', protocol: '', targetPort: number })),
    ],
  };
  return before !== null && sameRegistered(before, made) ? before : made;
}

function sameRegistered(a: Service, b: Service): boolean {
  return (
    a.namespace === b.namespace &&
    a.names.join() === b.names.join() &&
    a.ports.length === b.ports.length &&
    a.ports.every(({ number }, i) => number === b.ports[i].number)
  );
}

/** A WorkloadEntry resource as an endpoint. One of another network may have no address, and is not to be reached: null. */
export function workloadEntry(
  { metadata, spec }: Resource<WorkloadEntrySpec>,
  trustDomain: string,
): WorkloadEndpoint | null {
  if (!spec.address) return null;
  return {
    id: `${metadata.namespace}/${metadata.name}`,
    name: metadata.name,
    workload: metadata.name,
    namespace: metadata.namespace,
    serviceAccount: spec.serviceAccount ?? 'default',
    trustDomain,
    labels: { ...metadata.labels, ...spec.labels },
    services: [],
    address: spec.address,
    port: 0,
    appPort: 0,
    ports: spec.ports ?? {},
    weight: spec.weight ?? 1,
    locality: '',
  };
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
    hasLabels(endpoint.labels, service.selector) &&
    (endpoint.only === undefined || endpoint.only.some((name) => fqdn(name, endpoint.namespace) === service.host));
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
export function fullHost(host: string, namespace: string, services: Services): string {
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

function isListed({ port, name }: { port: number; name?: string }, listed: readonly string[]): boolean {
  return listed.includes(String(port)) || (name !== undefined && listed.includes(name));
}

/**
 * What a service says that is spoken to this port of its workloads, or its number does, the service's or this one; ''. `serverFirst`: more
 * of those numbers.
 */
export function spokenAt(service: Service | undefined, port: number, serverFirst: readonly number[] = []): string {
  const { ports = [] } = service ?? {};
  const found = ports.find(({ number, targetPort }) => (targetPort || number) === port);
  const { protocol = '', number = port } = found ?? (ports.length === 1 ? ports[0] : {});
  if (carriesBytes(protocol) || declaresHttp(protocol)) return protocol;
  const first = [port, number].some((each) => isServerFirst(each) || serverFirst.includes(each));
  return first ? 'TCP' : protocol;
}
