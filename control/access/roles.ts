// Which roles those have whom others vouch for, an OpenID Connect issuer or an authority of client certificates: by their names and by
// the groups that are told with them. What nobody granted anything may nothing.
import type { Grant } from './caller.ts';

export interface Roles {
  /** By name, 'oidc:alice' or 'cert:alice'. */
  readonly users: ReadonlyMap<string, readonly Grant[]>;
  readonly groups: ReadonlyMap<string, readonly Grant[]>;
}

/** Of a name: it is a part of one in NATS. */
const MOST_CHARACTERS = 190;
const MOST_GROUPS = 1_000;

/** Kept with what it changes, and told in logs: one word that shows as what it is. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST_CHARACTERS && /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u.test(value);
}

/** All of them, each once. */
export function grantsOf({ users, groups }: Roles, name: string, of: readonly string[]): Grant[] {
  const all = new Set<Grant>(users.get(name));
  for (const group of new Set(of.slice(0, MOST_GROUPS))) for (const grant of groups.get(group) ?? []) all.add(grant);
  return [...all];
}
