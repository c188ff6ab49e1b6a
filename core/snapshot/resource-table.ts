// The resources that a proxy was told of, by key and by kind. A change costs what changed: only kinds that somebody asks for
// in their order are sorted again.

import type { Policies } from '../builtins/builtin.ts';
import type { KindName } from '../config/kind-names.ts';
import { kindName, type Resource, resourceKey } from '../config/resource.ts';
import { byName, isBefore } from './policies.ts';

/** What is otherwise than before. */
export interface ResourceChange {
  /** Everything that is not in `upserts` is gone. */
  readonly full: boolean;
  readonly upserts: readonly Resource[];
  /** Keys. */
  readonly removals: readonly string[];
}

export class ResourceTable {
  private readonly byKind = new Map<string, Map<string, Resource>>();
  private readonly sorted = new Map<string, SortedKind>();

  /** Those of a kind, sorted by namespace and name: every proxy sees the same order. */
  readonly policies = ((kind: KindName) => {
    const known = this.sorted.get(kind);
    if (known !== undefined && known.changes.length === 0) return known.list;
    const list =
      known === undefined || known.changes.length > FEW
        ? [...(this.byKind.get(kind)?.values() ?? [])].sort(byName)
        : changed(known);
    this.sorted.set(kind, { list, changes: [] });
    return list;
  }) as Policies;

  /** Those of a kind, in no order. */
  all(kind: KindName): Iterable<Resource> {
    return this.byKind.get(kind)?.values() ?? [];
  }

  /** `key`: resourceKey of both. */
  replace(key: string, before: Resource | null, after: Resource | null): void {
    const kind = kindName((after ?? before)!);
    this.sorted.get(kind)?.changes.push({ key, before, after });
    if (after === null) {
      this.byKind.get(kind)?.delete(key);
      return;
    }
    const those = this.byKind.get(kind);
    if (those === undefined) this.byKind.set(kind, new Map([[key, after]]));
    else those.set(key, after);
  }

  /** What the change does to single resources. */
  *steps({ full, upserts, removals }: ResourceChange): Iterable<Replacement> {
    const told = new Map(upserts.map((resource) => [resourceKey(resource), resource]));
    for (const key of full ? this.keys() : removals) {
      const before = this.get(key);
      if (before !== undefined && !told.has(key)) yield { key, before, after: null };
    }
    for (const [key, after] of told) {
      const before = this.get(key) ?? null;
      if (before !== after) yield { key, before, after };
    }
  }

  /** A key begins with the kind. */
  private get(key: string): Resource | undefined {
    return this.byKind.get(key.slice(0, key.indexOf('/')))?.get(key);
  }

  private *keys(): Iterable<string> {
    for (const those of this.byKind.values()) yield* those.keys();
  }
}

/** As it was when somebody asked for it, and what has changed since. */
interface SortedKind {
  readonly list: readonly Resource[];
  readonly changes: Replacement[];
}

/** Changes of a list that are cheaper to put in their places than to sort all of it again. */
const FEW = 32;

function changed({ list, changes }: SortedKind): readonly Resource[] {
  const next = [...list];
  for (const { before, after } of changes) {
    const at = placeOf(next, (after ?? before)!);
    next.splice(at, before === null ? 0 : 1, ...(after === null ? [] : [after]));
  }
  return next;
}

/** Of it, or of what has its name. */
function placeOf(list: readonly Resource[], resource: Resource): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(list[middle], resource)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One resource that is there, not there or another one than before. */
export interface Replacement {
  readonly key: string;
  readonly before: Resource | null;
  readonly after: Resource | null;
}
