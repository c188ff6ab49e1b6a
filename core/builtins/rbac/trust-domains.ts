// The trust domains of a mesh in what policies ask of identities: its own and the aliases that MeshConfig names. As in Istio, a rule
// about an identity of one of them is about the same account in each, and 'cluster.local' stands for all of them.

import type { MeshConfigSpec } from '../../config/kinds/mesh-config.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';

const OWN = 'cluster.local';
/** trust-domain/ns/namespace/sa/account */
const PARTS = 5;

/** Its own first. */
export function trustDomainsOf(node: Node, mesh: readonly Resource<MeshConfigSpec>[]): readonly string[] {
  return unique([node.trustDomain, ...mesh.flatMap(({ spec: { trustDomainAliases = [] } }) => trustDomainAliases)]);
}

/** The principals that a rule means by one. A pattern that leaves open which trust domain it is, or which account, is as it is. */
export function principalsMeant(principal: string, domains: readonly string[]): readonly string[] {
  const plain = principal.replace(/^spiffe:\/\//, '');
  const [named, ...others] = plain.split('/');
  if (others.length !== PARTS - 1 || named === '*') return [plain];
  if (named !== OWN && !domains.some((domain) => fits(named, domain))) return [plain];
  return unique(domains.map((domain) => (endsAs(named, domain) ? plain : [domain, ...others].join('/'))));
}

/** The trust domains that a rule means by one. */
export function domainsMeant(domain: string, domains: readonly string[]): readonly string[] {
  return domain === OWN || domains.includes(domain) ? domains : [domain];
}

function fits(pattern: string, domain: string): boolean {
  if (pattern.endsWith('*')) return domain.startsWith(pattern.slice(0, -1));
  return pattern === domain || endsAs(pattern, domain);
}

/** '*-td' is of 'old-td' and of 'new-td' as it stands. */
function endsAs(pattern: string, domain: string): boolean {
  return pattern.startsWith('*') && domain.endsWith(pattern.slice(1));
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
