// Kinds by their names: the one among all kinds, what a resource says of itself, and what people type.

import type { Kind } from './kind.ts';
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

/**
 * The kind that somebody means who types `VirtualService`, `virtualservices`, `vs` or, as kubectl has it where kinds share a
 * name, `virtualservices.networking.istio.io`. Null: none is called so.
 */
export function kindMeant(word: string): KindName | null {
  const typed = word.toLowerCase();
  const dot = typed.indexOf('.');
  const bare = dot < 0 ? typed : typed.slice(0, dot);
  const found = ALL.find(({ name, kind, group, shortNames = [] }) => {
    if (dot >= 0) return group === typed.slice(dot + 1) && isOneOrMany(bare, kind);
    return shortNames.includes(typed) || isOneOrMany(typed, name);
  });
  return (found?.name as KindName | undefined) ?? null;
}

/** `typed` in lower case. */
function isOneOrMany(typed: string, kind: string): boolean {
  const one = kind.toLowerCase();
  if (/[^aeiou]y$/.test(one)) return typed === one || typed === `${one.slice(0, -1)}ies`;
  return typed === one || typed === `${one}${/(?:s|x|ch)$/.test(one) ? 'es' : 's'}`;
}
