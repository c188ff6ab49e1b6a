// Kinds by their names: the one among all kinds, what a resource says of itself, and what people type.

import type { Kind } from './kind.ts';
import { type KindWords, kindCalled } from './kind-words.ts';
import * as LIST from './kinds.ts';
import { kindName } from './resource.ts';
import type { Static } from './schema.ts';

type Listed = (typeof LIST)[keyof typeof LIST];

/** The specs by the names that `kindName` gives. */
export type Specs = { [One in Listed as One['name']]: Static<One['spec']> };

export type KindName = keyof Specs;

const ALL: readonly Kind[] = Object.values(LIST);

/** By the names that `kindName` gives. */
export const KINDS = Object.fromEntries(ALL.map((kind) => [kind.name, kind])) as Readonly<Record<KindName, Kind>>;

/** Null when the two do not name a kind that is known; refused.ts says why. */
export function findKind(apiVersion: string, kind: string): Kind | null {
  const name = kindName({ apiVersion, kind });
  if (!Object.hasOwn(KINDS, name)) return null;
  const known = KINDS[name as KindName];
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  return known.group === group && known.versions.includes(apiVersion.slice(slash + 1)) ? known : null;
}

/** The kind that somebody means by a word: see kindCalled. */
export function kindMeant(word: string): KindName | null {
  return kindCalled(word, ALL) as KindName | null;
}

/** What kinds are called, as plain data. */
export function kindWords(): KindWords[] {
  return ALL.map(({ name, kind, group, shortNames = [] }) => ({ name, kind, group, shortNames }));
}
