// The rows of a rule's settings of connections of HTTP, in each of the places that they may stand in.

import type { Row } from './row.ts';

const istio = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});
const ENTRY = istio('ServiceEntry', 'api', {
  hosts: ['api.test'],
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  resolution: 'STATIC',
  endpoints: [{ address: '127.0.0.2', labels: { version: 'v1' } }],
});
const TO_V1 = istio('VirtualService', 'api', {
  hosts: ['api.test'],
  http: [{ route: [{ destination: { host: 'api.test', subset: 'v1' } }] }],
});
const POOL = { connectionPool: { http: { idleTimeout: '9s' } } };
const ON_PORT = { portLevelSettings: [{ port: { number: 80 }, ...POOL }] };
const V1 = { name: 'v1', labels: { version: 'v1' } };

const PLACES: readonly (readonly [path: string, spec: object, ...more: object[]])[] = [
  ['trafficPolicy', { trafficPolicy: POOL }],
  ['trafficPolicy.portLevelSettings[]', { trafficPolicy: ON_PORT }],
  ['subsets[].trafficPolicy', { subsets: [{ ...V1, trafficPolicy: POOL }] }, TO_V1],
  ['subsets[].trafficPolicy.portLevelSettings[]', { subsets: [{ ...V1, trafficPolicy: ON_PORT }] }, TO_V1],
];

export const POOL_ROWS: readonly Row[] = (
  [
    ['maxRetries', [1, 2]],
    ['http2MaxRequests', [1, 2]],
    ['maxConcurrentStreams', [1, 2]],
    ['h2UpgradePolicy', ['UPGRADE', 'DEFAULT']],
    ['useClientProtocol', [true, false]],
  ] as const
).flatMap(([field, values]) =>
  PLACES.map(
    ([path, spec, ...more]): Row => ({
      kind: 'DestinationRule',
      field: `${path}.connectionPool.http.${field}`,
      mesh: [ENTRY, istio('DestinationRule', 'api', { host: 'api.test', ...spec }), ...more],
      values,
    }),
  ),
);
