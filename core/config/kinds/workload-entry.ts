// WorkloadEntry: one address that serves, registered by hand.

import { labels, port, quote, text, uint32 } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { map, notEnforced, object, optional, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';

/** An IP address, a host name (DNS resolution) or 'unix:///path'. */
const endpointAddress = string({
  code: 'address',
  check(value) {
    if (!value.startsWith('unix://')) return hostFault(value, { wildcard: false });
    const path = value.slice('unix://'.length);
    return path.startsWith('/') || path.startsWith('@')
      ? null
      : `${quote(value)} is no address: unix:// needs an absolute path`;
  },
});

/** A WorkloadGroup's template has the same fields, and no address. */
export const workloadEntryFields = {
  address: optional(endpointAddress),
  /** Port numbers by the names of the service's ports. */
  ports: optional(map(port)),
  labels: optional(labels),
  network: notEnforced(optional(text)),
  locality: notEnforced(optional(text)),
  weight: optional(uint32),
  serviceAccount: optional(text),
};

export const WorkloadEntrySpec = object(workloadEntryFields, {
  check(entry, report) {
    if (!entry.address && !entry.network) report.error([], 'required', 'address is missing');
    if (entry.address?.startsWith('unix://') && entry.ports && Object.keys(entry.ports).length > 0) {
      report.error(['ports'], 'contradiction', 'a Unix socket has no ports');
    }
  },
});
export type WorkloadEntrySpec = Static<typeof WorkloadEntrySpec>;

export const workloadEntry = defineKind({
  name: 'WorkloadEntry',
  shortNames: ['we'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: WorkloadEntrySpec,
});
