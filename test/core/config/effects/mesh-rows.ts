// The rows of what MeshConfig says of services and of the routes to them.

import type { Row } from './row.ts';

const ENTRY = {
  ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'api' } },
  spec: {
    hosts: ['api.test'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    endpoints: [{ address: '127.0.0.2' }],
  },
};
const RETRIES = { attempts: 2, retryOn: '5xx', perTryTimeout: '1s' };

const row = (field: string, values: Row['values'], spec: object = {}): Row => ({
  kind: 'MeshConfig',
  field,
  mesh: [ENTRY, { apiVersion: 'weft.dev/v1', kind: 'MeshConfig', metadata: { name: 'default' }, spec }],
  values,
});
const ofRetries = (field: string, values: Row['values']): Row =>
  row(`defaultHttpRetryPolicy.${field}`, values, { defaultHttpRetryPolicy: RETRIES });

export const MESH_ROWS: readonly Row[] = [
  row('outboundTrafficPolicy.mode', ['ALLOW_ANY', 'REGISTRY_ONLY'], { outboundTrafficPolicy: {} }),
  row('connectTimeout', ['1s', '2s']),
  row('h2UpgradePolicy', ['UPGRADE', 'DO_NOT_UPGRADE']),
  ofRetries('attempts', [1, 2]),
  ofRetries('perTryTimeout', ['1s', '2s']),
  ofRetries('retryOn', ['5xx', '503']),
  ofRetries('retryIgnorePreviousHosts', [true, false]),
  ofRetries('backoff', ['1s', '2s']),
];
