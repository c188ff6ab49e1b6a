// How a role is told to people.
import type { Grant } from '../control/access/caller.ts';

/** 'operator of shop, cart' */
export function describeGrants(grants: readonly Grant[]): string {
  return grants.map(({ role, namespaces }) => `${role} of ${describeNamespaces(namespaces)}`).join('; ') || 'no role';
}

export function describeNamespaces(namespaces: readonly string[] | null): string {
  return namespaces === null ? 'the whole mesh' : namespaces.join(', ');
}
