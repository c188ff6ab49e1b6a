// AuthorizationPolicies as the rules that filters evaluate.

import type { AuthorizationPolicySpec, AuthorizationRule } from '../../config/kinds/authorization-policy.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';
import { alternatives, conditionMatches, operationMatches, type Scope, settle, sourceMatches } from './conditions.ts';
import type { EncodedPolicy, EncodedRule } from './encoding.ts';

export type Policy = Resource<AuthorizationPolicySpec>;

/** In the order of their names. `trustDomains`: of the mesh. */
export function encodedPolicies(
  policies: readonly Policy[],
  node: Node,
  trustDomains: readonly string[],
): EncodedPolicy[] {
  return inOrder(policies).map((policy) => encode(policy, node, trustDomains));
}

/** As Envoy keeps them: by name, so that which of several matching policies is reported does not depend on history. */
function inOrder(policies: readonly Policy[]): Policy[] {
  const key = ({ metadata }: Policy): string => `${metadata.namespace}/${metadata.name}`;
  return [...policies].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function encode({ metadata, spec }: Policy, node: Node, trustDomains: readonly string[]): EncodedPolicy {
  const rules: EncodedRule[] = [];
  const allows = (spec.action ?? 'ALLOW') === 'ALLOW';
  (spec.rules ?? []).forEach((rule, index) => {
    const compiled = compileRule(rule, index, { allows, namespace: metadata.namespace, node, trustDomains });
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
