// WorkloadGroup: what the WorkloadEntries of a group have in common, and how their readiness is probed.

import { count, labels, port, quote, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, map, notEnforced, object, optional, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { workloadEntryFields } from './workload-entry.ts';

/** '' = HTTP. */
const scheme = string({
  code: 'enum',
  check: (value) => (['', 'HTTP', 'HTTPS'].includes(value) ? null : `${quote(value)} is no scheme: HTTP or HTTPS`),
});

/** As Kubernetes has it for probes. */
const probeHeader = string({
  code: 'header_name',
  check: (name) => (/^[-A-Za-z0-9]+$/.test(name) ? null : `${quote(name)} is no header name: letters, digits and '-'`),
});

const ReadinessProbe = object(
  {
    initialDelaySeconds: optional(count),
    timeoutSeconds: optional(count),
    periodSeconds: optional(count),
    successThreshold: optional(count),
    failureThreshold: optional(count),
    httpGet: optional(
      object({
        path: optional(text),
        port,
        host: optional(text),
        scheme: optional(scheme),
        httpHeaders: optional(array(object({ name: probeHeader, value: optional(text) }))),
      }),
    ),
    tcpSocket: optional(object({ host: optional(text), port })),
    exec: optional(object({ command: array(text, 1) })),
    grpc: optional(object({ port: optional(port), service: optional(text) })),
  },
  { exactlyOne: [['httpGet', 'tcpSocket', 'exec', 'grpc']] },
);

export const WorkloadGroupSpec = object({
  metadata: optional(object({ labels: optional(labels), annotations: optional(map(text)) })),
  template: object(workloadEntryFields),
  probe: optional(ReadinessProbe),
});
export type WorkloadGroupSpec = Static<typeof WorkloadGroupSpec>;

export const workloadGroup = defineKind({
  name: 'WorkloadGroup',
  shortNames: ['wg'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: notEnforced(WorkloadGroupSpec),
});
