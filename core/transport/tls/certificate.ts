// What a certificate says of who shows it.

import type { X509Certificate } from 'node:crypto';

const SPIFFE = /^URI:(spiffe:\/\/[^\s,"]+)$/;
export const SCHEME = 'spiffe://';

/** The one SPIFFE id that it is for, or null: it has none, several, or names that cannot be told apart from them. */
export function spiffeOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string | null {
  // Node quotes a name that holds what separates names.
  if (subjectAltName === undefined || subjectAltName.includes('"')) return null;
  const found = subjectAltName.split(', ').flatMap((name) => SPIFFE.exec(name)?.[1] ?? []);
  return found.length === 1 ? found[0] : null;
}

/** SHA-256 of it, as `x-forwarded-client-cert` has it. */
export function digestOf({ fingerprint256 }: Pick<X509Certificate, 'fingerprint256'>): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

/** On one line; '' for none. */
export function subjectOf({ subject }: { readonly subject?: string }): string {
  return (subject ?? '').replaceAll('\n', ',');
}

/** What it is for, by kind; none when its names cannot be told apart. */
export function namesIn({ subjectAltName }: { readonly subjectAltName?: string }): {
  uris: string[];
  hosts: string[];
  all: string[];
} {
  const names = subjectAltName === undefined || subjectAltName.includes('"') ? [] : subjectAltName.split(', ');
  const of = (kind: string): string[] =>
    names.flatMap((name) => (name.startsWith(kind) ? name.slice(kind.length) : []));
  const [uris, hosts] = [of('URI:'), of('DNS:')];
  return { uris, hosts, all: [...uris, ...hosts, ...of('IP Address:'), ...of('email:')] };
}
