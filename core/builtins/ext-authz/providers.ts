// Which of MeshConfig's external authorizers a policy of action CUSTOM asks.

import type { AuthorizationPolicySpec } from '../../config/kinds/authorization-policy.ts';
import type { MeshConfigSpec } from '../../config/kinds/mesh-config.ts';
import type { Resource } from '../../config/resource.ts';
import type { ProviderSettings } from './provider.ts';

/** Null: the policy asks nobody, or nobody who can be asked. */
export function authorizerOf(
  { spec }: Resource<AuthorizationPolicySpec>,
  mesh: readonly Resource<MeshConfigSpec>[],
): ProviderSettings | null {
  if (spec.action !== 'CUSTOM') return null;
  const providers = mesh.flatMap(({ spec: { extensionProviders = [] } }) => extensionProviders);
  const { envoyExtAuthzHttp, envoyExtAuthzGrpc } = providers.find(({ name }) => name === spec.provider?.name) ?? {};
  if (envoyExtAuthzHttp !== undefined) return { over: 'http', settings: envoyExtAuthzHttp };
  return envoyExtAuthzGrpc === undefined ? null : { over: 'grpc', settings: envoyExtAuthzGrpc };
}
