// How kinds say which workloads they are for: selectors and target references.

import { labelNames, text } from '../formats.ts';
import { array, map, notEnforced, object, optional, partly, type Static, string } from '../schema.ts';

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

/** A policy whose target is of another kind applies nowhere by it. The kind alone decides, so other groups are told. */
const TARGETS = ['Gateway', 'GatewayClass', 'Service'];
const TARGET_GROUPS = ['', 'core', 'gateway.networking.k8s.io'];

export const PolicyTargetReference = object({
  group: notEnforced(optional(text), (group) => (TARGET_GROUPS.includes(group) ? null : `a target's group ${group}`)),
  kind: partly(text, (kind) => (TARGETS.includes(kind) ? null : `a target of kind ${kind}`)),
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
