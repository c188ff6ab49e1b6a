// Checks between resources: references that lead nowhere, rules that contradict or hide each other, and what is accepted
// but not enforced yet.

import { CrossChecks } from './cross-checks.ts';
import { type Problem, type Resource, resourceKey } from './resource.ts';

export interface Known {
  /** Full host names that exist without a resource, for instance because a workload registered itself. */
  readonly hosts?: Iterable<string>;
  /** Default: cluster.local. */
  readonly domain?: string;
}

/**
 * Warnings about the whole of the resources; `Problem.resource` says about which. `known` names what exists beside them:
 * hosts that workloads registered by themselves.
 */
export function crossCheck(
  resources: ReadonlyMap<string, Resource> | Iterable<Resource>,
  { hosts = [], domain }: Known = {},
): Problem[] {
  const checks = new CrossChecks(domain);
  const all = resources instanceof Map ? resources.values() : (resources as Iterable<Resource>);
  const keyed = new Map([...all].map((resource) => [resourceKey(resource), resource]));
  checks.change({ resources: keyed, hosts: { here: hosts, gone: [] } });
  return [...checks.all()];
}
