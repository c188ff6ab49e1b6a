// How kinds say which workloads they are for: selectors and target references.

import { labelNames, nonEmpty, quote, text } from '../formats.ts';
import { array, map, object, optional, type Report, type Static, string } from '../schema.ts';

const selected = map(
  string({
    code: 'label',
    check: (value) => (value.includes('*') ? 'wildcards are not supported in selectors' : null),
  }),
  labelNames,
);

/** Who leaves the labels out meant some workloads, and gets all. */
function tellIfEmpty(labels: Readonly<Record<string, string>> | undefined, report: Report): void {
  if (Object.keys(labels ?? {}).length > 0) return;
  report.warning([], 'selector', 'a selector without labels is for all workloads of the namespace');
}

/** The networking API's selector. */
export const WorkloadSelector = object(
  { labels: optional(selected) },
  { check: ({ labels }, report) => tellIfEmpty(labels, report) },
);
export type WorkloadSelector = Static<typeof WorkloadSelector>;

/** The security, telemetry and extension APIs' selector. */
export const MatchLabels = object(
  { matchLabels: optional(selected) },
  { check: ({ matchLabels }, report) => tellIfEmpty(matchLabels, report) },
);
export type MatchLabels = Static<typeof MatchLabels>;

/** What a policy can be attached to, by its kind: the group that the kind is of. */
const TARGETS: Readonly<Record<string, string>> = {
  Gateway: 'gateway.networking.k8s.io',
  GatewayClass: 'gateway.networking.k8s.io',
  Service: '',
};

const listed = Object.keys(TARGETS).join(', ');

const ownNamespace = string({
  code: 'target',
  check: (value) => (value === '' ? null : 'a target is in the namespace of its policy: leave namespace out'),
});

/** A policy whose target is no such thing would protect nothing, so what cannot be one is refused. */
export const PolicyTargetReference = object(
  { group: optional(text), kind: nonEmpty, name: nonEmpty, namespace: optional(ownNamespace) },
  {
    check({ group = '', kind }, report) {
      if (!Object.hasOwn(TARGETS, kind)) {
        const hint = kind === 'ServiceEntry' ? ': only waypoints have it, and there are none' : '';
        report.error(['kind'], 'target', `${quote(kind)} is no target of policies${hint}; a target is a ${listed}`);
      } else if (group !== TARGETS[kind] && !(kind === 'Service' && group === 'core')) {
        report.error(['group'], 'target', `a ${kind} is of the group ${quote(TARGETS[kind])}, not ${quote(group)}`);
      }
    },
  },
);
export type PolicyTargetReference = Static<typeof PolicyTargetReference>;

/** Fields of every policy that is attached to workloads; at most one of them may be given. */
export const attachment = {
  selector: optional(MatchLabels),
  targetRef: optional(PolicyTargetReference),
  targetRefs: optional(array(PolicyTargetReference)),
};
export const ATTACHMENT = ['selector', 'targetRef', 'targetRefs'] as const;
