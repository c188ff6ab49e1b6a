// ServiceEntry: hosts that are added to the registry, and where they are found.

import { isIP } from 'node:net';
import { isUnixSocket } from '../addresses.ts';
import { ipOrCidr, portNameRule, quote, texts, wildcardName } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, notEnforced, object, oneOf, optional, partly, type Report, type Static } from '../schema.ts';
import { checkExportTo, checkOwnExport, exportTo, NETWORKING } from '../schemas/networking.ts';
import { isHttp, isTls, ServicePort, unenforcedProtocol } from '../schemas/port.ts';
import { WorkloadSelector } from '../schemas/selectors.ts';
import { ServiceEntryEndpoint } from './workload-entry.ts';

export const ServiceEntrySpec = object(
  {
    hosts: array(wildcardName, 1),
    addresses: optional(array(ipOrCidr)),
    ports: optional(array(partly(ServicePort, ({ protocol }) => unenforcedProtocol(protocol)))),
    location: notEnforced(optional(oneOf('MESH_EXTERNAL', 'MESH_INTERNAL')), (value) =>
      value === 'MESH_INTERNAL' ? 'location MESH_INTERNAL' : null,
    ),
    /** Left out: NONE. */
    resolution: partly(optional(oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS')), (value) =>
      value === 'DYNAMIC_DNS' ? 'resolution DYNAMIC_DNS' : null,
    ),
    endpoints: optional(array(ServiceEntryEndpoint)),
    workloadSelector: optional(WorkloadSelector),
    exportTo,
    subjectAltNames: notEnforced(optional(texts)),
  },
  {
    atMostOne: [['endpoints', 'workloadSelector']],
    check(spec, report) {
      const resolution = spec.resolution ?? 'NONE';
      checkExportTo(spec.exportTo, true, report);
      checkPorts(spec.ports ?? [], report);
      checkHosts(spec, resolution, report);
      checkAddresses(spec, resolution, report);
      checkEndpoints(spec, resolution, report);
    },
  },
);
export type ServiceEntrySpec = Static<typeof ServiceEntrySpec>;

export const serviceEntry = defineKind({
  name: 'ServiceEntry',
  shortNames: ['se'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: ServiceEntrySpec,
  declares({ spec }, to) {
    const ports = (spec.ports ?? []).map(({ number }) => number);
    for (const host of spec.hosts) to.host(host, ports);
  },
  check: checkOwnExport,
});

type Port = Static<typeof ServicePort>;

/** What the checks look at; of a type that stands before the schema that has it. */
interface Entry {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports?: readonly Port[];
  readonly endpoints?: readonly Static<typeof ServiceEntryEndpoint>[];
  readonly workloadSelector?: unknown;
}

function isDns(resolution: string): boolean {
  return resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
}

function checkPorts(ports: readonly Port[], report: Report): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  ports.forEach(({ name, number }, i) => {
    if (!name) report.error(['ports', i], 'required', 'name is missing');
    else if (names.has(name))
      report.error(['ports', i, 'name'], 'duplicate', `the port name ${quote(name)} is used twice`);
    else if (portNameRule.check(name) !== null) report.error(['ports', i, 'name'], 'name', portNameRule.check(name)!);
    if (numbers.has(number)) report.error(['ports', i, 'number'], 'duplicate', `the port ${number} is listed twice`);
    names.add(name ?? '');
    numbers.add(number);
  });
}

function checkHosts(
  { hosts, ports = [], endpoints = [], addresses = [] }: Entry,
  resolution: string,
  report: Report,
): void {
  hosts.forEach((host, i) => {
    if (host === '*') report.error(['hosts', i], 'host', "the host '*' would cover every service");
    else if (host.startsWith('*') && isDns(resolution) && endpoints.length === 0) {
      const message = `${quote(host)} cannot be resolved: resolution ${resolution} needs a host without wildcard, or endpoints`;
      report.error(['hosts', i], 'host', message);
    } else if (/^\*[^.]/.test(host)) {
      report.warning(
        ['hosts', i],
        'host',
        `${quote(host)}: a wildcard should stand for whole labels, as in "*.example.com"`,
      );
    }
  });
  if (hosts.length < 2 || resolution === 'NONE') return;
  const plain = ports.findIndex(({ protocol }) => !isHttp(protocol) && !isTls(protocol));
  if (plain >= 0) {
    const message = 'several hosts share a port whose protocol does not say which is meant: HTTP and TLS do';
    report.error(['ports', plain], 'contradiction', message);
  } else if (addresses.length > 0 && isDns(resolution) && ports.some(({ protocol }) => isTls(protocol))) {
    report.warning(
      ['hosts'],
      'contradiction',
      'several hosts share addresses: what connects to one of them may mean another',
    );
  }
}

function checkAddresses({ addresses = [] }: Entry, resolution: string, report: Report): void {
  addresses.forEach((address, i) => {
    if (!address.includes('/') || resolution === 'NONE' || resolution === 'STATIC') return;
    const message = `${quote(address)} is a block of addresses, which resolution ${resolution} does not go with`;
    report.error(['addresses', i], 'contradiction', message);
  });
}

function checkEndpoints(
  { ports = [], endpoints = [], workloadSelector }: Entry,
  resolution: string,
  report: Report,
): void {
  if (resolution === 'STATIC' && endpoints.length === 0 && !workloadSelector) {
    report.warning([], 'required', 'resolution STATIC without endpoints or a workloadSelector leads nowhere');
  }
  if (resolution === 'NONE' && workloadSelector !== undefined) {
    report.warning(['workloadSelector'], 'contradiction', 'resolution NONE asks for no workloads: write STATIC');
  }
  if ((resolution === 'NONE' || resolution === 'DYNAMIC_DNS') && endpoints.length > 0) {
    const message = `endpoints are of no use with resolution ${resolution}: write STATIC or DNS`;
    report.error(['endpoints'], 'contradiction', message);
    return;
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    report.error(['endpoints', 1], 'contradiction', 'resolution DNS_ROUND_ROBIN takes one endpoint: write DNS');
  }
  const names = new Set(ports.map(({ name }) => name));
  endpoints.forEach((endpoint, i) => {
    const fault = endpointFault(endpoint.address ?? '', resolution, ports.length);
    if (fault !== null) report.error(['endpoints', i, ...(endpoint.address ? ['address'] : [])], 'address', fault);
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (names.has(name)) continue;
      const message = `the endpoint's port ${quote(name)} is not among the entry's ports`;
      report.error(['endpoints', i, 'ports', name], 'reference', message);
    }
  });
}

/** `ports`: how many the service has. */
function endpointFault(address: string, resolution: string, ports: number): string | null {
  if (isDns(resolution)) {
    if (address === '') return `address is missing, which resolution ${resolution} needs`;
    return isUnixSocket(address) ? `${quote(address)} cannot be resolved: write STATIC` : null;
  }
  if (isUnixSocket(address))
    return ports === 1 ? null : `${quote(address)} serves one port, and the entry has ${ports}`;
  return address === '' || isIP(address) !== 0
    ? null
    : `${quote(address)} is no IP address, which resolution ${resolution} needs`;
}
