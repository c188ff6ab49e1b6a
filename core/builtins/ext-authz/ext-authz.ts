// AuthorizationPolicies of action CUSTOM -> the configuration of the ext-authz filter: which external authorizers are asked about
// which requests of this workload. layout.ts draws its bytes.

import { appliesTo } from '../../config/attachment.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';
import type { Builtin, Policies } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { list, sized, u8 } from '../encoding.ts';
import { policyList } from '../rbac/encoding.ts';
import { encodedPolicies, type Policy } from '../rbac/policies.ts';
import { trustDomainsOf } from '../rbac/trust-domains.ts';
import { checkFunctions } from './foreign-check.ts';
import { MOST_PROVIDERS, VERSION } from './layout.ts';
import { type ProviderSpec, providerSpec, tellsOfAnswers } from './provider.ts';
import { authorizerOf } from './providers.ts';

export const extAuthz = {
  standing: {
    scope: 'workload',
    kinds: ['AuthorizationPolicy', 'MeshConfig'],
    configure: checkConfig,
  },
  foreign: ({ upstreams }) => checkFunctions(upstreams),
} satisfies Builtin;

/** Null when no policy at this workload asks anybody. */
export function checkConfig(policies: Policies, node: Node): Configured | null {
  const mesh = policies('MeshConfig');
  const trustDomains = trustDomainsOf(node, mesh);
  const asked = new Map<string, { readonly spec: ProviderSpec; readonly policies: Policy[] }>();
  for (const policy of policies('AuthorizationPolicy') as readonly Resource<Policy['spec']>[]) {
    const settings = appliesTo(policy, node) ? authorizerOf(policy, mesh) : null;
    if (settings === null) continue;
    const name = policy.spec.provider?.name ?? '';
    const known = asked.get(name);
    if (known === undefined) asked.set(name, { spec: providerSpec(name, settings), policies: [policy] });
    else known.policies.push(policy);
  }
  if (asked.size === 0) return null;
  if (asked.size > MOST_PROVIDERS) {
    throw new Error(`policies of one workload ask more than ${MOST_PROVIDERS} external authorizers`);
  }
  const providers = [...asked.values()];
  const json = Buffer.from(JSON.stringify(providers.map(({ spec }) => spec)));
  const bytes = Buffer.concat([
    u8(VERSION),
    u8(node.role === 'gateway' ? 1 : 0),
    sized(json),
    list(providers, (provider) => sized(policyList(encodedPolicies(provider.policies, node, trustDomains)))),
  ]);
  const tells = providers.some(({ spec }) => tellsOfAnswers(spec));
  return configured(tells ? 'ext-authz-answers' : 'ext-authz', bytes);
}
