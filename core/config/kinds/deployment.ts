// Kubernetes' Deployment where it describes workloads. What only a kubelet would read (containers' environments, volumes,
// probes) is accepted and dropped: it may hold secrets, and nobody here runs it.

import { count, labels, nonEmpty, port, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, informative, map, object, oneOf, optional, type Static } from '../schema.ts';

const Container = object(
  {
    name: nonEmpty,
    image: optional(text),
    ports: optional(
      array(
        object(
          { containerPort: port, name: optional(text), protocol: optional(oneOf('TCP', 'UDP', 'SCTP')) },
          { ignore: ['hostPort', 'hostIP'] },
        ),
      ),
    ),
  },
  { ignore: 'any' },
);

export const DeploymentSpec = object(
  {
    replicas: optional(count),
    selector: optional(object({ matchLabels: optional(labels) }, { ignore: ['matchExpressions'] })),
    template: object({
      metadata: optional(object({ labels: optional(labels), annotations: optional(map(text)) }, { ignore: 'any' })),
      spec: optional(
        object({ serviceAccountName: optional(text), containers: optional(array(Container)) }, { ignore: 'any' }),
      ),
    }),
  },
  {
    ignore: ['strategy', 'minReadySeconds', 'revisionHistoryLimit', 'paused', 'progressDeadlineSeconds'],
    check(spec, report) {
      const carried = spec.template.metadata?.labels ?? {};
      for (const [name, value] of Object.entries(spec.selector?.matchLabels ?? {})) {
        if (carried[name] === value) continue;
        report.error(
          ['selector', 'matchLabels', name],
          'reference',
          `the selector's ${name}=${value} is not among the template's labels`,
        );
      }
    },
  },
);
export type DeploymentSpec = Static<typeof DeploymentSpec>;

export const deployment = defineKind({
  name: 'Deployment',
  shortNames: ['deploy'],
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  spec: informative(DeploymentSpec),
});
