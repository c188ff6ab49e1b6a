// Shapes that several of Istio's kinds have in common: selectors, target references, percentages.

import { labelNames, labels, percent, port, text } from '../formats.ts';
import { array, map, object, optional, type Static, string } from '../schema.ts';

export const NETWORKING = ['v1', 'v1beta1', 'v1alpha3'] as const;

const selected = map(
  string({
    code: 'label',
    check: (value) => (value.includes('*') ? 'wildcards are not supported in selectors' : null),
  }),
  labelNames,
);

/** The networking API's selector. */
export const WorkloadSelector = object({ labels: optional(selected) });
export type WorkloadSelector = Static<typeof WorkloadSelector>;

/** The security, telemetry and extension APIs' selector. */
export const MatchLabels = object({ matchLabels: optional(selected) });
export type MatchLabels = Static<typeof MatchLabels>;

export const PortSelector = object({ number: port });
export type PortSelector = Static<typeof PortSelector>;

export const Percent = object({ value: optional(percent) });
export type Percent = Static<typeof Percent>;

export const PolicyTargetReference = object({
  group: optional(text),
  kind: text,
  name: text,
  namespace: optional(text),
});
export type PolicyTargetReference = Static<typeof PolicyTargetReference>;

/** Fields of every policy that is attached to workloads; at most one of them may be given. */
export const attachment = {
  selector: optional(MatchLabels),
  targetRef: optional(PolicyTargetReference),
  targetRefs: optional(array(PolicyTargetReference)),
};
export const ATTACHMENT = ['selector', 'targetRef', 'targetRefs'] as const;

export const exportTo = optional(
  array(
    string({
      code: 'name',
      check: (value) =>
        value === '.' || value === '*' || value === '~' || /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(value)
          ? null
          : `${JSON.stringify(value)} is no namespace, nor '.', '*' or '~'`,
    }),
  ),
);

/** A whole map of labels that an endpoint or a subset carries. */
export const optionalLabels = optional(labels);
