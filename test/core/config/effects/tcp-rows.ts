// The rows of connections that are carried as bytes: a VirtualService's tcp and tls sections, and a rule's idle time-out of TCP.

import type { Row } from './row.ts';

const istio = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});
const entry = (host: string): object =>
  istio('ServiceEntry', host.replace('.', '-'), {
    hosts: [host],
    ports: [
      { number: 5432, name: 'tcp-pg', protocol: 'TCP' },
      { number: 5433, name: 'tcp-old', protocol: 'TCP' },
    ],
    resolution: 'STATIC',
    endpoints: [{ address: '127.0.0.2', labels: { version: 'v1' } }],
  });
const SUBSETS = ['v1', 'v2'].map((name) => ({ name, labels: { version: name } }));
const OTHER = { destination: { host: 'other.test', port: { number: 5432 } } };
const HERE = { destination: { host: 'db.test', port: { number: 5432 }, subset: 'v1' }, weight: 1 };

const ruled = (tcp: object): readonly object[] => [
  istio('VirtualService', 'db', { hosts: ['db.test'], tcp: [tcp] }),
  entry('db.test'),
  entry('other.test'),
  istio('DestinationRule', 'db', { host: 'db.test', subsets: SUBSETS }),
];
const named = (tls: object): readonly object[] => [
  istio('VirtualService', 'db', { hosts: ['db.test', 'a.db.test'], tls: [tls] }),
  ...ruled({}).slice(1),
];
const SNI = { port: 5432, sniHosts: ['db.test'] };
const namedMatch = named({ match: [SNI], route: [OTHER] });
const namedRoute = named({ match: [SNI], route: [HERE, { ...OTHER, weight: 1 }] });
const matched = ruled({ match: [{ port: 5432 }], route: [OTHER] });
const routed = ruled({ route: [HERE, { ...OTHER, weight: 1 }] });

const IDLE = { connectionPool: { tcp: { idleTimeout: '9s' } } };
const ON_PORT = { portLevelSettings: [{ port: { number: 5432 }, ...IDLE }] };
const V1 = { name: 'v1', labels: { version: 'v1' } };
const TO_V1 = istio('VirtualService', 'db', {
  hosts: ['db.test'],
  tcp: [{ route: [{ destination: { host: 'db.test', port: { number: 5432 }, subset: 'v1' } }] }],
});
const PLACES: readonly (readonly [path: string, spec: object, ...more: object[]])[] = [
  ['trafficPolicy', { trafficPolicy: IDLE }],
  ['trafficPolicy.portLevelSettings[]', { trafficPolicy: ON_PORT }],
  ['subsets[].trafficPolicy', { subsets: [{ ...V1, trafficPolicy: IDLE }] }, TO_V1],
  ['subsets[].trafficPolicy.portLevelSettings[]', { subsets: [{ ...V1, trafficPolicy: ON_PORT }] }, TO_V1],
];

export const TCP_ROWS: readonly Row[] = [
  {
    kind: 'VirtualService',
    field: 'tcp[].match[].sourceSubnet',
    mesh: matched,
    values: ['10.0.0.0/8', '10.1.0.0/16'],
  },
  { kind: 'VirtualService', field: 'tls[].match[].sniHosts', mesh: namedMatch, values: [['db.test'], ['a.db.test']] },
  ...(
    [
      ['destinationSubnets', [['10.0.0.0/8'], ['10.1.0.0/16']]],
      ['port', [5432, 5433]],
      ['sourceLabels', [{ version: 'v1' }, { version: 'v2' }]],
      ['gateways', [['mesh'], ['default/gone']]],
      ['sourceNamespace', ['default', 'elsewhere']],
    ] as const
  ).flatMap(([field, values]): Row[] => [
    { kind: 'VirtualService', field: `tcp[].match[].${field}`, mesh: matched, values },
    { kind: 'VirtualService', field: `tls[].match[].${field}`, mesh: namedMatch, values },
  ]),
  ...(
    [
      ['destination.host', ['db.test', 'other.test']],
      ['destination.subset', ['v1', 'v2']],
      ['destination.port.number', [5432, 5433]],
      ['weight', [1, 2]],
    ] as const
  ).flatMap(([field, values]): Row[] => [
    { kind: 'VirtualService', field: `tcp[].route[].${field}`, mesh: routed, values },
    { kind: 'VirtualService', field: `tls[].route[].${field}`, mesh: namedRoute, values },
  ]),
  ...PLACES.map(
    ([path, spec, ...more]): Row => ({
      kind: 'DestinationRule',
      field: `${path}.connectionPool.tcp.idleTimeout`,
      mesh: [entry('db.test'), istio('DestinationRule', 'db', { host: 'db.test', ...spec }), ...more],
      values: ['9s', '10s'],
    }),
  ),
  ...(['trafficPolicy', 'subsets[].trafficPolicy'] as const).map((path): Row => {
    const policy = { trafficPolicy: { proxyProtocol: {} } };
    const spec = path === 'trafficPolicy' ? policy : { subsets: [{ ...V1, ...policy }] };
    return {
      kind: 'DestinationRule',
      field: `${path}.proxyProtocol.version`,
      mesh: [entry('db.test'), istio('DestinationRule', 'db', { host: 'db.test', ...spec }), TO_V1],
      values: ['V1', 'V2'],
    };
  }),
];
