// Which of MeshConfig's external authorizers a policy of action CUSTOM asks.

import type { AuthorizationPolicySpec } from '../../config/kinds/authorization-policy.ts';
import type { MeshConfigSpec } from '../../config/kinds/mesh-config.ts';
import type { Resource } from '../../config/resource.ts';
import type { ExtAuthzHttp } from '../../config/schemas/extension-provider.ts';

/** Null: the policy asks nobody, or nobody who can be asked. */
export function authorizerOf(
  { spec }: Resource<AuthorizationPolicySpec>,
  mesh: readonly Resource<MeshConfigSpec>[],
): ExtAuthzHttp | null {
  if (spec.action !== 'CUSTOM') return null;
  const providers = mesh.flatMap(({ spec: { extensionProviders = [] } }) => extensionProviders);
  return providers.find(({ name }) => name === spec.provider?.name)?.envoyExtAuthzHttp ?? null;
}
