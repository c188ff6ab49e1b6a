// AuthorizationPolicy, and the roles of Istio before 1.6, -> the configuration of the rbac filter: which policies apply to
// this workload, and what their rules ask.

import { appliesTo, DRY_RUN } from '../../config/attachment.ts';
import type { MeshConfigSpec } from '../../config/kinds/mesh-config.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';
import type { Builtin, Policies } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { authorizerOf } from '../ext-authz/providers.ts';
import { type Admission, admissionOf } from './connection.ts';
import { type EncodedPolicy, encodePolicies, type PolicyGroups } from './encoding.ts';
import { type Observations, observationsOf } from './observed.ts';
import { encodedPolicies, type Policy } from './policies.ts';
import { ROLE_KINDS, type RoleRules, roleRules } from './roles.ts';
import { trustDomainsOf } from './trust-domains.ts';

export const rbac = {
  standing: {
    scope: 'workload',
    kinds: ['AuthorizationPolicy', 'MeshConfig', ...ROLE_KINDS],
    configure: (policies, node) =>
      authorizationConfig(policies('AuthorizationPolicy'), node, policies('MeshConfig'), () =>
        roleRules(policies, node),
      ),
  },
} satisfies Builtin;

/**
 * The rbac filter's configuration for this workload; null when nothing applies and the filter is not needed. A CUSTOM policy
 * whose provider cannot be asked denies what it matches, as in Istio; the others are ext-authz's. Roles count where no AuthorizationPolicy allows: for one workload, the newer kind of list is the one.
 */
export function authorizationConfig(
  policies: readonly Policy[],
  node: Node,
  mesh: readonly Resource<MeshConfigSpec>[] = [],
  rolesHere: () => RoleRules | null = () => null,
): Configured | null {
  const counted = policies.filter((policy) => authorizerOf(policy, mesh) === null);
  const groups = groupsOf(counted, node, trustDomainsOf(node, mesh), rolesHere);
  if (Object.values(groups).every((group) => group.length === 0)) return null;
  return configured('rbac', encodePolicies(node.role === 'gateway', groups));
}

/** What connections that are no HTTP are asked, once each. */
export interface ConnectionAuthorization {
  /** Null: everybody may come. */
  readonly admission: Admission | null;
  /** Null: there is nothing to observe. */
  readonly observations: Observations | null;
}

/** As `authorizationConfig`; but nobody outside is asked about a connection, and what a CUSTOM policy matches is denied. */
export function connectionAuthorization(policies: Policies, node: Node): ConnectionAuthorization {
  const trustDomains = trustDomainsOf(node, policies('MeshConfig'));
  const groups = groupsOf(policies('AuthorizationPolicy'), node, trustDomains, () => roleRules(policies, node));
  const enforces = groups.deny.length + groups.allow.length > 0;
  return { admission: enforces ? admissionOf(groups) : null, observations: observationsOf(groups) };
}

function groupsOf(
  policies: readonly Policy[],
  node: Node,
  trustDomains: readonly string[],
  rolesHere: () => RoleRules | null,
): PolicyGroups {
  const all = policies.filter((policy) => appliesTo(policy, node));
  const enforced = all.filter((policy) => !isDryRun(policy));
  const tried = all.filter(isDryRun);
  const encoded = (from: readonly Policy[], ...actions: readonly string[]): EncodedPolicy[] =>
    encodedPolicies(
      from.filter(({ spec }) => actions.includes(spec.action ?? 'ALLOW')),
      node,
      trustDomains,
    );
  const allow = encoded(enforced, 'ALLOW');
  const roles = allow.length === 0 ? rolesHere() : null;
  return {
    deny: encoded(enforced, 'DENY', 'CUSTOM'),
    allow: [...allow, ...(roles?.enforced ?? [])],
    dryRunDeny: encoded(tried, 'DENY'),
    dryRunAllow: [...encoded(tried, 'ALLOW'), ...(roles?.permissive ?? [])],
    audit: encoded(enforced, 'AUDIT'),
  };
}

/** As Go reads a boolean. */
function isDryRun({ metadata }: Policy): boolean {
  return /^(?:1|t|T|true|TRUE|True)$/.test(metadata.annotations?.[DRY_RUN] ?? '');
}
