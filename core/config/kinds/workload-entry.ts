// WorkloadEntry: one address that serves, registered by hand.

import { isUnixSocket, unixSocketFault } from '../addresses.ts';
import { labels, port, portNameRule, text, uint32 } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { map, notEnforced, object, optional, partly, type Report, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';

/** An IP address, a host name (DNS resolution) or 'unix:///path'; '' = not given. */
const endpointAddress = string({
  code: 'address',
  check(value) {
    if (value === '') return null;
    return isUnixSocket(value) ? unixSocketFault(value) : hostFault(value, { wildcard: false });
  },
});

/** A WorkloadGroup's template has the same fields, and no address. */
export const workloadEntryFields = {
  address: partly(optional(endpointAddress), (address) => (isUnixSocket(address) ? 'addresses of Unix sockets' : null)),
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
  if (!address && network)
    report.warning([], 'required', `address is missing: it is found by nobody outside of ${network}`);
  if (address !== undefined && isUnixSocket(address) && Object.keys(ports).length > 0) {
    report.error(['ports'], 'contradiction', 'a Unix socket has no ports');
  }
}
