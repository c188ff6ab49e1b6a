// Checks between resources: references that lead nowhere, rules that contradict or hide each other, and what is accepted
// but not enforced yet. Everything here is a warning: as in Istio, order of applying does not matter.

import { conflicts } from './conflicts.ts';
import { unenforced } from './enforced.ts';
import { Index, type Known } from './inventory.ts';
import { references } from './references.ts';
import type { Problem, Resource } from './resource.ts';

export type { Known } from './inventory.ts';

/**
 * Warnings about the whole of the resources; `Problem.resource` says about which. `known` names what exists beside them:
 * hosts that workloads registered by themselves.
 */
export function crossCheck(
  resources: ReadonlyMap<string, Resource> | Iterable<Resource>,
  known: Known = {},
): Problem[] {
  const index = new Index(resources instanceof Map ? resources.values() : (resources as Iterable<Resource>), known);
  const problems: Problem[] = [];
  for (const resource of index.all) {
    problems.push(...references(resource, index), ...unenforced(resource));
  }
  problems.push(...conflicts(index));
  return problems;
}
