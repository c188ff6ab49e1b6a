// Host names as Istio reads them: short names resolved in the rule's namespace, wildcards, which pattern covers which host.

import { isIP } from 'node:net';

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;
const WILDCARD_LABEL = /^\*(?:-?[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,60}[a-zA-Z0-9])?)?$/;
/** A port and subset of a service, as TLS names it between networks: outbound_.80_.v1_.reviews.default.svc.cluster.local. */
const SUBSET_NAME = /^outbound_\.\d{1,5}_\.[-a-zA-Z0-9]*_\.(.+)$/;

/** In lower case, without the dot at the end that says that it is written in full: names that are the same are equal. */
export function plainHost(host: string): string {
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * A short name ("reviews") becomes a service of the rule's namespace ("reviews.default.svc.cluster.local"). Whatever has a
 * dot, is '*' or an address is taken as it is: "reviews.default" stays "reviews.default" (see hostForms).
 */
export function fqdn(host: string, namespace: string, domain = 'cluster.local'): string {
  if (host === '' || host.includes('.') || host.includes('*') || host.includes(':')) return plainHost(host);
  return `${host.toLowerCase()}.${namespace}.svc.${domain}`;
}

/**
 * The names under which a rule's host may be known to the registry, most literal first. "reviews.default" and
 * "reviews.default.svc" are taken literally by Istio's rules, yet a service of the cluster answers to them.
 */
export function hostForms(host: string, namespace: string, domain = 'cluster.local'): string[] {
  const full = fqdn(host, namespace, domain);
  const parts = full.split('.');
  if (full.includes('*') || isIP(full) !== 0) return [full];
  if (parts.length === 2) return [full, `${full}.svc.${domain}`];
  if (parts.length === 3 && parts[2] === 'svc') return [full, `${full}.${domain}`];
  return [full];
}

/** Every name by which clients may call a service of the cluster, the full one first. */
export function serviceNames(name: string, namespace: string, domain = 'cluster.local'): string[] {
  return [`${name}.${namespace}.svc.${domain}`, `${name}.${namespace}.svc`, `${name}.${namespace}`, name];
}

/** Does the pattern ('*', '*.example.com', 'a.example.com') cover the host, which may be a pattern itself? */
export function hostCovers(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  if (!pattern.startsWith('*')) return pattern.toLowerCase() === host.toLowerCase();
  const suffix = pattern.slice(1).toLowerCase();
  const rest = host.startsWith('*') ? host.slice(1).toLowerCase() : host.toLowerCase();
  // '*.example.com' covers itself and 'a.example.com', not 'example.com'; the wildcard stands for at least one character.
  return rest.endsWith(suffix) && (host.startsWith('*') || rest.length > suffix.length);
}

/** Is there a host that both patterns cover? */
export function hostsOverlap(left: string, right: string): boolean {
  return hostCovers(left, right) || hostCovers(right, left);
}

/** Why the text is no host, or null: a name, or an IP address. */
export function hostFault(host: string, options: { wildcard: boolean }): string | null {
  return isIP(host) !== 0 && !host.includes('%') ? null : nameFault(host, options);
}

/** Why the text is no host name, or null. What ends in a number is an address, if anything. */
export function nameFault(host: string, options: { wildcard: boolean }): string | null {
  const shown = JSON.stringify(host.length > 60 ? `${host.slice(0, 60)}...` : host);
  if (host === '') return 'the host must not be empty';
  if (isIP(host) !== 0) return `${shown} is an address: a name is needed here`;
  if (host.length > 255) return `${shown} is no host name: it is longer than 255 characters`;
  if (host.includes('*') && !options.wildcard) return `${shown} is no host name here: wildcards are not allowed`;
  const labels = (host.endsWith('.') ? host.slice(0, -1) : host).split('.');
  for (let i = 0; i < labels.length; i++) {
    if (LABEL.test(labels[i])) continue;
    if (i === 0 && options.wildcard && WILDCARD_LABEL.test(labels[i])) continue;
    if (labels[i].includes('*')) return `${shown} is no host name: a wildcard may only be its first label`;
    return `${shown} is no host name`;
  }
  return labels.length > 1 && /^\d+$/.test(labels[labels.length - 1])
    ? `${shown} is no host name: its last label is a number`
    : null;
}

/** Does TLS name a subset by it? */
export function isSubsetName(host: string): boolean {
  const service = SUBSET_NAME.exec(host)?.[1];
  return service !== undefined && nameFault(service, { wildcard: false }) === null;
}

/** Zones ('fe80::1%eth0') mean something on one machine only, and are refused. */
export function isIpOrCidr(text: string): boolean {
  if (text.includes('%')) return false;
  const slash = text.indexOf('/');
  if (slash < 0) return isIP(text) !== 0;
  const family = isIP(text.slice(0, slash));
  const bits = text.slice(slash + 1);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/**
 * The host of a Gateway's server as it is for VirtualServices of a namespace, in lower case; or null: they may not bind to it. '.'
 * before the '/' is the Gateway's own namespace.
 */
export function boundHost(server: string, owner: string, namespace: string): string | null {
  const slash = server.indexOf('/');
  const scope = slash < 0 ? '*' : server.slice(0, slash);
  if (scope !== '*' && (scope === '.' ? owner : scope) !== namespace) return null;
  return plainHost(server.slice(slash + 1));
}
