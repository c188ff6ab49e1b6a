// ServiceEntry: hosts that are added to the registry, and where they are found.

import { isIP } from 'node:net';
import { ipOrCidr, portNameRule, quote, texts, wildcardHost } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, notEnforced, object, oneOf, optional, partly, type Static } from '../schema.ts';
import { checkExportTo, exportTo, NETWORKING } from '../schemas/networking.ts';
import { Port, unenforcedProtocol } from '../schemas/port.ts';
import { WorkloadSelector } from '../schemas/selectors.ts';
import { ServiceEntryEndpoint } from './workload-entry.ts';

/** Protocols whose connections or requests name their host. */
const BY_HOST = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTPS', 'TLS'];

export const ServiceEntrySpec = object(
  {
    hosts: array(wildcardHost, 1),
    addresses: optional(array(ipOrCidr)),
    ports: optional(array(partly(Port, ({ protocol }) => unenforcedProtocol(protocol)))),
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
      spec.addresses?.forEach((address, i) => {
        if (!address.includes('/') || resolution === 'NONE' || resolution === 'STATIC') return;
        const message = `${quote(address)} is a block of addresses, which resolution ${resolution} does not go with`;
        report.error(['addresses', i], 'contradiction', message);
      });
      if (resolution === 'DNS_ROUND_ROBIN' && (spec.endpoints?.length ?? 0) > 1) {
        report.error(['endpoints', 1], 'contradiction', 'resolution DNS_ROUND_ROBIN takes one endpoint: write DNS');
      }
      const names = new Set<string>();
      const numbers = new Set<number>();
      spec.ports?.forEach(({ name, number }, i) => {
        if (!name) report.error(['ports', i], 'required', 'name is missing');
        else if (names.has(name))
          report.error(['ports', i, 'name'], 'duplicate', `the port name ${quote(name)} is used twice`);
        else if (portNameRule.check(name) !== null)
          report.error(['ports', i, 'name'], 'name', portNameRule.check(name)!);
        if (numbers.has(number))
          report.error(['ports', i, 'number'], 'duplicate', `the port ${number} is listed twice`);
        names.add(name ?? '');
        numbers.add(number);
      });
      const plain = spec.ports?.findIndex(({ protocol = '' }) => !BY_HOST.includes(protocol.toUpperCase())) ?? -1;
      if (resolution !== 'NONE' && spec.hosts.length > 1 && plain >= 0) {
        const message = 'several hosts share a port whose protocol does not say which is meant: HTTP and TLS do';
        report.error(['ports', plain], 'contradiction', message);
      }
      spec.hosts.forEach((host, i) => {
        if (host === '*') report.error(['hosts', i], 'host', "the host '*' would cover every service");
        else if (
          host.startsWith('*') &&
          (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') &&
          !spec.endpoints?.length
        ) {
          report.error(
            ['hosts', i],
            'host',
            `${quote(host)} cannot be resolved: resolution ${resolution} needs a host without wildcard, or endpoints`,
          );
        }
      });
      if (resolution === 'STATIC' && !spec.endpoints?.length && !spec.workloadSelector) {
        report.warning([], 'required', 'resolution STATIC without endpoints or a workloadSelector leads nowhere');
      }
      if ((resolution === 'NONE' || resolution === 'DYNAMIC_DNS') && spec.endpoints?.length) {
        report.error(
          ['endpoints'],
          'contradiction',
          `endpoints are of no use with resolution ${resolution}: write STATIC or DNS`,
        );
      }
      spec.endpoints?.forEach((endpoint, i) => {
        if (
          resolution === 'STATIC' &&
          endpoint.address &&
          !endpoint.address.startsWith('unix://') &&
          isIP(endpoint.address) === 0
        ) {
          report.error(
            ['endpoints', i, 'address'],
            'address',
            `${quote(endpoint.address)} is no IP address, which resolution STATIC needs`,
          );
        }
        for (const name of Object.keys(endpoint.ports ?? {})) {
          if (names.has(name)) continue;
          report.error(
            ['endpoints', i, 'ports', name],
            'reference',
            `the endpoint's port ${quote(name)} is not among the entry's ports`,
          );
        }
      });
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
});
