// Checks between resources: references that lead nowhere, rules that contradict or hide each other, and what is accepted
// but not enforced yet. Everything here is a warning: as in Istio, order of applying does not matter.

import { type Known, ResourceInventory } from './inventory.ts';
import type { Kind } from './kind.ts';
import { KINDS, type KindName } from './kind-names.ts';
import { kindName, type Problem, type Resource, resourceKey } from './resource.ts';
import { unenforced } from './unenforced.ts';
import { type Path, pointer } from './walk.ts';

export type { Known } from './inventory.ts';

/**
 * Warnings about the whole of the resources; `Problem.resource` says about which. `known` names what exists beside them:
 * hosts that workloads registered by themselves.
 */
export function crossCheck(
  resources: ReadonlyMap<string, Resource> | Iterable<Resource>,
  known: Known = {},
): Problem[] {
  const all = resources instanceof Map ? resources.values() : (resources as Iterable<Resource>);
  const inventory = new ResourceInventory(all, known);
  const problems: Problem[] = [];
  const warn = (resource: Resource, code: string, path: Path, message: string): void => {
    problems.push({ severity: 'warning', code, message, resource: resourceKey(resource), pointer: pointer(path) });
  };
  for (const resource of inventory.resources) {
    const kind: Kind = KINDS[kindName(resource) as KindName];
    kind.references?.(resource, inventory, (...warning) => warn(resource, ...warning));
    problems.push(...unenforced(resource));
  }
  for (const kind of Object.values(KINDS)) kind.conflicts?.(inventory.all(kind), inventory, warn);
  return problems;
}
