// The resources of a state by kind, sorted by namespace and name: every proxy sees the same order.

import type { Policies } from '../builtins/builtin.ts';
import { isKind } from '../config/is-kind.ts';
import type { KindName } from '../config/kind-names.ts';
import type { Resource } from '../config/resource.ts';

/** Each kind is sorted once, when it is first asked for. */
export function policiesIn(resources: ReadonlyMap<string, Resource>): Policies {
  const sorted = new Map<KindName, readonly Resource[]>();
  return ((kind: KindName) => {
    let found = sorted.get(kind);
    if (found === undefined) {
      found = [...resources.values()].filter((resource) => isKind(resource, kind)).sort(byName);
      sorted.set(kind, found);
    }
    return found;
  }) as Policies;
}

export function byName(a: Resource, b: Resource): number {
  const key = ({ metadata }: Resource): string => `${metadata.namespace}/${metadata.name}`;
  return key(a) < key(b) ? -1 : 1;
}
