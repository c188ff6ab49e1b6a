// WorkloadEntry: one address that serves, registered by hand.

import { labels, port, portNameRule, quote, text, uint32 } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { map, notEnforced, object, optional, partly, type Report, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';

/** An IP address, a host name (DNS resolution) or 'unix:///path'. */
const endpointAddress = string({
  code: 'address',
  check(value) {
    if (!value.startsWith('unix://')) return hostFault(value, { wildcard: false });
    const path = value.slice('unix://'.length);
    return path.startsWith('@') || /^\/.*[^/]$/.test(path)
      ? null
      : `${quote(value)} is no address: unix:// needs the absolute path of a file`;
  },
});

/** A WorkloadGroup's template has the same fields, and no address. */
export const workloadEntryFields = {
  address: partly(optional(endpointAddress), (address) =>
    address.startsWith('unix://') ? 'addresses of Unix sockets' : null,
  ),
  /** Port numbers by the names of the service's ports. */
  ports: optional(map(port, portNameRule)),
  labels: optional(labels),
  network: notEnforced(optional(text)),
  locality: notEnforced(optional(text)),
  weight: optional(uint32),
  serviceAccount: optional(text),
};

export const WorkloadEntrySpec = object(workloadEntryFields, { check: checkAddress });
export type WorkloadEntrySpec = Static<typeof WorkloadEntrySpec>;

/** Of a ServiceEntry. Whose account it is counts where a WorkloadEntry says it. */
export const ServiceEntryEndpoint = object(
  { ...workloadEntryFields, serviceAccount: notEnforced(workloadEntryFields.serviceAccount) },
  { check: checkAddress },
);

export const workloadEntry = defineKind({
  name: 'WorkloadEntry',
  shortNames: ['we'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: WorkloadEntrySpec,
});

interface Addressed {
  readonly address?: string;
  readonly network?: string;
  readonly ports?: Readonly<Record<string, number>>;
}

function checkAddress({ address, network, ports = {} }: Addressed, report: Report): void {
  if (!address && !network) report.error([], 'required', 'address is missing');
  if (address?.startsWith('unix://') && Object.keys(ports).length > 0) {
    report.error(['ports'], 'contradiction', 'a Unix socket has no ports');
  }
}
