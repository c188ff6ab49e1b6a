// What a change would do to a state: which keys it creates, configures and deletes, and what has to be written.
import { isDeepStrictEqual } from 'node:util';
import type { KeyChange } from '../answers.ts';

export interface Plan {
  readonly changes: readonly KeyChange[];
  readonly upserts: ReadonlyMap<string, unknown>;
  readonly removals: readonly string[];
}

/** A body by its key, as the log has it. */
type Find = (key: string) => unknown;

export function planApply(find: Find, bodies: ReadonlyMap<string, unknown>): Plan {
  const changes: KeyChange[] = [];
  const upserts = new Map<string, unknown>();
  for (const [key, body] of bodies) {
    const before = find(key);
    const same = before !== undefined && isDeepStrictEqual(before, body);
    if (!same) upserts.set(key, body);
    changes.push({ key, change: before === undefined ? 'created' : same ? 'unchanged' : 'configured' });
  }
  return { changes, upserts, removals: [] };
}

/** Null: none of them is there. */
export function planDelete(find: Find, keys: Iterable<string>): Plan | null {
  const asked = [...new Set(keys)];
  const removals = asked.filter((key) => find(key) !== undefined);
  if (removals.length === 0) return null;
  const gone = new Set(removals);
  const changes = asked.map((key): KeyChange => ({ key, change: gone.has(key) ? 'deleted' : 'missing' }));
  return { changes, upserts: new Map(), removals };
}

/** `keys`: all that there are now. */
export function planState(find: Find, keys: Iterable<string>, target: ReadonlyMap<string, unknown>): Plan {
  const { changes, upserts } = planApply(find, target);
  const removals = [...keys].filter((key) => !target.has(key));
  const deleted = removals.map((key): KeyChange => ({ key, change: 'deleted' }));
  return { changes: [...changes.filter(({ change }) => change !== 'unchanged'), ...deleted], upserts, removals };
}
