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
import { type EncodedPolicy, encodePolicies } from './encoding.ts';
import { encodedPolicies, type Policy } from './policies.ts';
import { ROLE_KINDS, type RoleRules, roleRules } from './roles.ts';

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
  const all = policies.filter((policy) => appliesTo(policy, node) && authorizerOf(policy, mesh) === null);
  const enforced = all.filter((policy) => !isDryRun(policy));
  const tried = all.filter(isDryRun);
  const encoded = (from: readonly Policy[], ...actions: readonly string[]): EncodedPolicy[] =>
    encodedPolicies(
      from.filter(({ spec }) => actions.includes(spec.action ?? 'ALLOW')),
      node,
    );
  const allow = encoded(enforced, 'ALLOW');
  const roles = allow.length === 0 ? rolesHere() : null;
  const groups = {
    deny: encoded(enforced, 'DENY', 'CUSTOM'),
    allow: [...allow, ...(roles?.enforced ?? [])],
    dryRunDeny: encoded(tried, 'DENY'),
    dryRunAllow: [...encoded(tried, 'ALLOW'), ...(roles?.permissive ?? [])],
    audit: encoded(enforced, 'AUDIT'),
  };
  if (Object.values(groups).every((group) => group.length === 0)) return null;
  return configured('rbac', encodePolicies(node.role === 'gateway', groups));
}

/** Of what connections that are no HTTP are asked about; it may be null, too, see `authorizationConfig`. */
export function connectionAdmission(policies: Policies, node: Node): Admission | null {
  const enforced = policies('AuthorizationPolicy').filter((policy) => appliesTo(policy, node) && !isDryRun(policy));
  const encoded = (...actions: readonly string[]): EncodedPolicy[] =>
    encodedPolicies(
      enforced.filter(({ spec }) => actions.includes(spec.action ?? 'ALLOW')),
      node,
    );
  // Nobody outside is asked about a connection: what such a policy matches is denied.
  const deny = encoded('DENY', 'CUSTOM');
  const own = encoded('ALLOW');
  const allow = own.length > 0 ? own : (roleRules(policies, node)?.enforced ?? []);
  return deny.length + allow.length === 0 ? null : admissionOf({ deny, allow });
}

/** As Go reads a boolean. */
function isDryRun({ metadata }: Policy): boolean {
  return /^(?:1|t|T|true|TRUE|True)$/.test(metadata.annotations?.[DRY_RUN] ?? '');
}
