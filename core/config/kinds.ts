// The kinds of resource that are known, each with the type of its spec. Importing this loads all schemas.

import type { Kind } from './kind.ts';
import { type AuthorizationPolicySpec, authorizationPolicy } from './kinds/authorization-policy.ts';
import { clusterRbacConfig } from './kinds/cluster-rbac-config.ts';
import { type DeploymentSpec, deployment } from './kinds/deployment.ts';
import { type DestinationRuleSpec, destinationRule } from './kinds/destination-rule.ts';
import { type FilterChainSpec, filterChain } from './kinds/filter-chain.ts';
import { type GatewaySpec, gateway } from './kinds/gateway.ts';
import { type GatewayApiGatewaySpec, gatewayApiGateway } from './kinds/gateway-api-gateway.ts';
import { type GatewayClassSpec, gatewayClass } from './kinds/gateway-class.ts';
import { type HTTPRouteSpec, httpRoute } from './kinds/http-route.ts';
import { type NamespaceSpec, namespace } from './kinds/namespace.ts';
import { type PeerAuthenticationSpec, peerAuthentication } from './kinds/peer-authentication.ts';
import { type PluginSpec, plugin } from './kinds/plugin.ts';
import { type ProxyConfigSpec, proxyConfig } from './kinds/proxy-config.ts';
import { type RateLimitPolicySpec, rateLimitPolicy } from './kinds/rate-limit-policy.ts';
import { type RbacConfigSpec, rbacConfig } from './kinds/rbac-config.ts';
import { type RequestAuthenticationSpec, requestAuthentication } from './kinds/request-authentication.ts';
import { type ServiceSpec, service } from './kinds/service.ts';
import { type ServiceAccountSpec, serviceAccount } from './kinds/service-account.ts';
import { type ServiceEntrySpec, serviceEntry } from './kinds/service-entry.ts';
import { type ServiceRoleSpec, serviceRole } from './kinds/service-role.ts';
import { type ServiceRoleBindingSpec, serviceRoleBinding } from './kinds/service-role-binding.ts';
import { type SidecarSpec, sidecar } from './kinds/sidecar.ts';
import { type TelemetrySpec, telemetry } from './kinds/telemetry.ts';
import { type VirtualServiceSpec, virtualService } from './kinds/virtual-service.ts';
import { type WasmPluginSpec, wasmPlugin } from './kinds/wasm-plugin.ts';
import { type WorkloadEntrySpec, workloadEntry } from './kinds/workload-entry.ts';
import { type WorkloadGroupSpec, workloadGroup } from './kinds/workload-group.ts';
import { kindName, type Resource } from './resource.ts';

/** The specs by the names that `kindName` gives. */
export interface Specs {
  VirtualService: VirtualServiceSpec;
  DestinationRule: DestinationRuleSpec;
  Gateway: GatewaySpec;
  ServiceEntry: ServiceEntrySpec;
  WorkloadEntry: WorkloadEntrySpec;
  WorkloadGroup: WorkloadGroupSpec;
  Sidecar: SidecarSpec;
  ProxyConfig: ProxyConfigSpec;
  AuthorizationPolicy: AuthorizationPolicySpec;
  PeerAuthentication: PeerAuthenticationSpec;
  RequestAuthentication: RequestAuthenticationSpec;
  WasmPlugin: WasmPluginSpec;
  Telemetry: TelemetrySpec;
  ServiceRole: ServiceRoleSpec;
  ServiceRoleBinding: ServiceRoleBindingSpec;
  RbacConfig: RbacConfigSpec;
  ClusterRbacConfig: RbacConfigSpec;
  'Gateway.gateway.networking.k8s.io': GatewayApiGatewaySpec;
  GatewayClass: GatewayClassSpec;
  HTTPRoute: HTTPRouteSpec;
  Service: ServiceSpec;
  ServiceAccount: ServiceAccountSpec;
  Deployment: DeploymentSpec;
  Namespace: NamespaceSpec;
  FilterChain: FilterChainSpec;
  RateLimitPolicy: RateLimitPolicySpec;
  Plugin: PluginSpec;
}

export type KindName = keyof Specs;

/** By the names that `kindName` gives. */
export const KINDS: Readonly<Record<KindName, Kind>> = {
  VirtualService: virtualService,
  DestinationRule: destinationRule,
  Gateway: gateway,
  ServiceEntry: serviceEntry,
  WorkloadEntry: workloadEntry,
  WorkloadGroup: workloadGroup,
  Sidecar: sidecar,
  ProxyConfig: proxyConfig,
  AuthorizationPolicy: authorizationPolicy,
  PeerAuthentication: peerAuthentication,
  RequestAuthentication: requestAuthentication,
  WasmPlugin: wasmPlugin,
  Telemetry: telemetry,
  ServiceRole: serviceRole,
  ServiceRoleBinding: serviceRoleBinding,
  RbacConfig: rbacConfig,
  ClusterRbacConfig: clusterRbacConfig,
  'Gateway.gateway.networking.k8s.io': gatewayApiGateway,
  GatewayClass: gatewayClass,
  HTTPRoute: httpRoute,
  Service: service,
  ServiceAccount: serviceAccount,
  Deployment: deployment,
  Namespace: namespace,
  FilterChain: filterChain,
  RateLimitPolicy: rateLimitPolicy,
  Plugin: plugin,
};

/** Narrows a decoded resource by its kind. */
export function isKind<Name extends KindName>(resource: Resource, name: Name): resource is Resource<Specs[Name]> {
  return kindName(resource) === name;
}

/** Null when the two do not name a kind that is known; refused.ts says why. */
export function findKind(apiVersion: string, kind: string): Kind | null {
  const name = kindName({ apiVersion, kind });
  if (!Object.hasOwn(KINDS, name)) return null;
  const known = KINDS[name as KindName];
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  return known.group === group && known.versions.includes(apiVersion.slice(slash + 1)) ? known : null;
}
