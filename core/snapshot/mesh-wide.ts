// What the mesh's MeshConfig says, which there is one of at most, and whether all services are concerned by a change of it.

import { isDeepStrictEqual } from 'node:util';
import { parseDuration } from '../config/duration.ts';
import type { MeshConfigSpec } from '../config/kinds/mesh-config.ts';
import type { Resource } from '../config/resource.ts';
import type { ForwardedCertificate } from '../exchange/forwarded-certificate.ts';
import type { TlsLimits } from '../transport/tls/limits.ts';
import type { Node } from '../workload.ts';
import { NO_LIMITS } from './tls-servers.ts';

export function meshWide([only]: readonly Resource<MeshConfigSpec>[]): MeshConfigSpec {
  return only?.spec ?? NOTHING;
}

/** Do the two make the same of services and of the routes to them? */
export function shapesAlike(one: MeshConfigSpec, other: MeshConfigSpec): boolean {
  return isDeepStrictEqual(shapeOf(one), shapeOf(other));
}

function shapeOf(mesh: MeshConfigSpec): unknown {
  const { connectTimeout, h2UpgradePolicy, defaultHttpRetryPolicy, trustDomainAliases, tlsDefaults } = mesh;
  return { connectTimeout, h2UpgradePolicy, defaultHttpRetryPolicy, trustDomainAliases, tlsDefaults };
}

/** Versions before TLS 1.2 are not spoken, whatever is asked for. */
export function limitsOf(asked: MeshConfigSpec['tlsDefaults']): TlsLimits {
  if (asked === undefined) return NO_LIMITS;
  const { minProtocolVersion, cipherSuites = [], ecdhCurves = [] } = asked;
  return {
    minVersion: minProtocolVersion === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2',
    ciphers: [...cipherSuites],
    curves: [...ecdhCurves],
  };
}

/** To whom what says nothing of it is exported; undefined: to everybody. */
export interface UsualExports {
  readonly services: readonly string[] | undefined;
  readonly rules: readonly string[] | undefined;
  readonly shapes: readonly string[] | undefined;
}

export function usualExports(mesh: MeshConfigSpec): UsualExports {
  const { defaultServiceExportTo: services, defaultVirtualServiceExportTo: rules } = mesh;
  return { services, rules, shapes: mesh.defaultDestinationRuleExportTo };
}

/** How long clients may be silent. */
export function detectedInMs({ protocolDetectionTimeout }: MeshConfigSpec): number {
  return parseDuration(protocolDetectionTimeout ?? '100ms');
}

/** Whether gateways stand behind proxies that speak the PROXY protocol to them. */
export function proxiedGateways({ defaultConfig }: MeshConfigSpec): boolean {
  return defaultConfig?.gatewayTopology?.proxyProtocol !== undefined;
}

/** What a proxy tells of its clients' certificates. */
export function clientCertOf(role: Node['role'], { defaultConfig = {} }: MeshConfigSpec): ForwardedCertificate {
  const { gatewayTopology, proxyHeaders } = defaultConfig;
  const gateway = role === 'gateway';
  const asked = gateway ? gatewayTopology?.forwardClientCertDetails : proxyHeaders?.forwardedClientCert;
  if (asked !== undefined && asked !== 'UNDEFINED') return asked;
  return gateway ? 'SANITIZE_SET' : 'APPEND_FORWARD';
}

export const NOTHING: MeshConfigSpec = Object.freeze({});
