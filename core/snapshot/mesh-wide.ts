// What the mesh's MeshConfig says, which there is one of at most, and whether all services are concerned by a change of it.

import { isDeepStrictEqual } from 'node:util';
import type { MeshConfigSpec } from '../config/kinds/mesh-config.ts';
import type { Resource } from '../config/resource.ts';

export function meshWide([only]: readonly Resource<MeshConfigSpec>[]): MeshConfigSpec {
  return only?.spec ?? NOTHING;
}

/** Do the two make the same of services and of the routes to them? */
export function shapesAlike(one: MeshConfigSpec, other: MeshConfigSpec): boolean {
  return isDeepStrictEqual(shapeOf(one), shapeOf(other));
}

function shapeOf(mesh: MeshConfigSpec): unknown {
  const { connectTimeout, h2UpgradePolicy, defaultHttpRetryPolicy, trustDomainAliases } = mesh;
  return { connectTimeout, h2UpgradePolicy, defaultHttpRetryPolicy, trustDomainAliases };
}

/** Whether gateways stand behind proxies that speak the PROXY protocol to them. */
export function proxiedGateways({ defaultConfig }: MeshConfigSpec): boolean {
  const topology = (defaultConfig?.gatewayTopology ?? {}) as { readonly proxyProtocol?: object | null };
  return (topology.proxyProtocol ?? null) !== null;
}

export const NOTHING: MeshConfigSpec = Object.freeze({});
