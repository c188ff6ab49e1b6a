// The meshes of everything, decoded, and the proxies that they are compiled for.

import assert from 'node:assert/strict';
import { decodeResources, decodeYaml } from '../../../../core/config/decode.ts';
import type { Resource } from '../../../../core/config/resource.ts';
import type { Node } from '../../../../core/workload.ts';
import { EVERYTHING } from '../everything.ts';
import { EVERYTHING_ELSE } from '../everything-else.ts';
import { SIDECARS } from './sidecars.ts';

/** Each a mesh of its own, in which together each field of each kind is given. */
export const MESHES: readonly (readonly Resource[])[] = [
  decodeYaml(EVERYTHING),
  ...EVERYTHING_ELSE.map(decodeResources),
  decodeResources(SIDECARS),
].map(({ resources, problems }) => {
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  return resources;
});

/** Two sidecars and a gateway in each namespace that something stands in. */
export function nodesOf(resources: readonly Resource[]): Node[] {
  const namespaces = new Set(resources.map(({ metadata }) => metadata.namespace || 'default'));
  return [...namespaces].flatMap((namespace) =>
    ['a', 'web', 'gateway'].map((app) => ({
      id: app,
      name: 'everything',
      workload: 'g',
      namespace,
      serviceAccount: 'a',
      trustDomain: 'cluster.local',
      labels: { app, version: 'v1', istio: 'ingressgateway' },
      role: app === 'gateway' ? ('gateway' as const) : ('sidecar' as const),
      address: '127.1.0.1',
      app: app === 'gateway' ? null : { address: '127.0.0.1', port: 8080 },
      services: app === 'gateway' ? [] : ['everything'],
      ...(app !== 'gateway' && { upstreams: ['db.test:5432', 'shop.example.com:27017'] }),
    })),
  );
}
