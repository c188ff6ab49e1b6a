// The names that an expression may use: those of the attributes.

import { ATTRIBUTES, type AttributeName, type AttributeType, attributeNamed } from '../attributes.ts';

export type Type = AttributeType | 'double' | 'list';
export type Name = AttributeName;
export type MapName = {
  [N in Name]: (typeof ATTRIBUTES)[N]['type'] extends 'map' ? N : never;
}[Name];

const ALL = Object.keys(ATTRIBUTES) as readonly Name[];

/** 'request', 'destination.workload': what a name may begin with. */
const BEGINNINGS: ReadonlySet<string> = new Set(
  ALL.flatMap((name) => {
    const parts = name.split('.');
    return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
  }),
);

export function isName(text: string): text is Name {
  return attributeNamed(text) !== null;
}

/** True for a name and for the beginning of one. */
export function leadsToName(text: string): boolean {
  return isName(text) || BEGINNINGS.has(text);
}

/** The name that was probably meant, or null. */
export function nearestName(text: string): Name | null {
  const last = text.slice(text.lastIndexOf('.') + 1);
  const same = ALL.find(
    (name) =>
      name.slice(name.lastIndexOf('.') + 1) === last || name.replaceAll(/[._]/g, '') === text.replaceAll(/[._]/g, ''),
  );
  return same ?? null;
}
