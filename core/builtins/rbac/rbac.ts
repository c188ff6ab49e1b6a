// AuthorizationPolicy, and the roles of Istio before 1.6, -> the configuration of the rbac filter: which policies apply to
// this workload, and what their rules ask.

import { appliesTo, DRY_RUN } from '../../config/attachment.ts';
import type { AuthorizationPolicySpec, AuthorizationRule } from '../../config/kinds/authorization-policy.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';
import type { Builtin, Policies } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { alternatives, conditionMatches, operationMatches, type Scope, settle, sourceMatches } from './conditions.ts';
import { type Admission, admissionOf } from './connection.ts';
import { type EncodedPolicy, type EncodedRule, encodePolicies } from './encoding.ts';
import { ROLE_KINDS, type RoleRules, roleRules } from './roles.ts';

type Policy = Resource<AuthorizationPolicySpec>;

export const rbac = {
  standing: {
    scope: 'workload',
    kinds: ['AuthorizationPolicy', ...ROLE_KINDS],
    configure: (policies, node) =>
      authorizationConfig(policies('AuthorizationPolicy'), node, () => roleRules(policies, node)),
  },
} satisfies Builtin;

/**
 * The rbac filter's configuration for this workload; null when nothing applies and the filter is not needed. CUSTOM needs an
 * external provider, and this proxy has none: what such a policy matches is denied, as Istio does when the provider is
 * missing. Roles count where no AuthorizationPolicy allows: for one workload, the newer kind of list is the one.
 */
export function authorizationConfig(
  policies: readonly Policy[],
  node: Node,
  rolesHere: () => RoleRules | null = () => null,
): Configured | null {
  const all = policies.filter((policy) => appliesTo(policy, node));
  const enforced = all.filter((policy) => !isDryRun(policy));
  const tried = all.filter(isDryRun);
  const encoded = (from: readonly Policy[], ...actions: readonly string[]): EncodedPolicy[] =>
    inOrder(from.filter(({ spec }) => actions.includes(spec.action ?? 'ALLOW'))).map((policy) => encode(policy, node));
  const allow = encoded(enforced, 'ALLOW');
  const roles = allow.length === 0 ? rolesHere() : null;
  const groups = {
    deny: encoded(enforced, 'DENY', 'CUSTOM'),
    allow: [...allow, ...(roles?.enforced ?? [])],
    dryRunDeny: encoded(tried, 'DENY', 'CUSTOM'),
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
    inOrder(enforced.filter(({ spec }) => actions.includes(spec.action ?? 'ALLOW'))).map((policy) =>
      encode(policy, node),
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

/** As Envoy keeps them: by name, so that which of several matching policies is reported does not depend on history. */
function inOrder(policies: readonly Policy[]): Policy[] {
  const key = ({ metadata }: Policy): string => `${metadata.namespace}/${metadata.name}`;
  return [...policies].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function encode({ metadata, spec }: Policy, node: Node): EncodedPolicy {
  const rules: EncodedRule[] = [];
  const allows = (spec.action ?? 'ALLOW') === 'ALLOW';
  (spec.rules ?? []).forEach((rule, index) => {
    const compiled = compileRule(rule, index, { allows, namespace: metadata.namespace, node });
    if (compiled !== null) rules.push(compiled);
  });
  return { name: `ns[${metadata.namespace}]-policy[${metadata.name}]`, rules };
}

/** Null: it can never match. */
function compileRule(rule: AuthorizationRule, index: number, scope: Scope): EncodedRule | null {
  const sources = alternatives(
    rule.from?.map(({ source }) => sourceMatches(source, scope)),
    scope,
  );
  const operations = alternatives(
    rule.to?.map(({ operation }) => operationMatches(operation)),
    scope,
  );
  const when = settle(
    (rule.when ?? []).flatMap((condition) => conditionMatches(condition, scope)),
    scope,
  );
  if (sources === null || operations === null || when === null) return null;
  return { index, sources, operations, when };
}
