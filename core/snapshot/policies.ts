// The resources of a state by kind, sorted by namespace and name: every proxy sees the same order.

import type { Policies } from '../builtins/builtin.ts';
import type { KindName } from '../config/kind-names.ts';
import { kindName, type Resource } from '../config/resource.ts';

/** Each kind is sorted once, when it is first asked for. */
export function policiesIn(resources: ReadonlyMap<string, Resource>): Policies {
  const byKind = Map.groupBy(resources.values(), kindName);
  const sorted = new Map<KindName, readonly Resource[]>();
  return ((kind: KindName) => {
    let found = sorted.get(kind);
    if (found === undefined) {
      found = (byKind.get(kind) ?? []).sort(byName);
      sorted.set(kind, found);
    }
    return found;
  }) as Policies;
}

/** In the order of namespaces and names. */
export function isBefore(a: Resource, b: Resource): boolean {
  return nameOf(a) < nameOf(b);
}

export function byName(a: Resource, b: Resource): number {
  return isBefore(a, b) ? -1 : 1;
}

function nameOf({ metadata }: Resource): string {
  return `${metadata.namespace}/${metadata.name}`;
}
