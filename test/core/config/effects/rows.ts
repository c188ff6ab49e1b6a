// Two small meshes that differ in one field, for fields whose effect the meshes of everything hide: another rule stands above
// theirs there, or what is given there means the same as nothing.

import type { KindName } from '../../../../core/config/kind-names.ts';

import { MESH_ROWS } from './mesh-rows.ts';
import { POOL_ROWS } from './pool-rows.ts';
import type { Row } from './row.ts';
import { TCP_ROWS } from './tcp-rows.ts';
import { TLS_ROWS } from './tls-rows.ts';

type Meta = { readonly namespace?: string; readonly annotations?: Record<string, string> };

function resource(apiVersion: string, kind: string, name: string, spec: object, metadata: Meta = {}): object {
  return { apiVersion, kind, metadata: { name, namespace: 'default', ...metadata }, spec };
}

const istio = (kind: string, name: string, spec: object): object =>
  resource('networking.istio.io/v1', kind, name, spec);
const weft = (kind: string, name: string, spec: object): object => resource('weft.dev/v1', kind, name, spec);

const HTTP = { number: 80, name: 'http', protocol: 'HTTP' };
const ENDPOINTS = [
  { address: '127.0.0.2', labels: { version: 'v1' } },
  { address: '127.0.0.3', labels: { version: 'v2' } },
];
const entry = (more: object = {}): object =>
  istio('ServiceEntry', 'api', {
    hosts: ['api.test'],
    ports: [HTTP],
    resolution: 'STATIC',
    endpoints: ENDPOINTS,
    ...more,
  });
const V1 = { name: 'v1', labels: { version: 'v1' } };
const rule = (spec: object): object => istio('DestinationRule', 'api', { host: 'api.test', ...spec });
const TO_V1 = { route: [{ destination: { host: 'api.test', subset: 'v1' } }] };
const route = (http: object, more: object = {}): object =>
  istio('VirtualService', 'api', { hosts: ['api.test'], ...more, http: [http] });

const chain = (spec: object): readonly object[] => [
  entry(),
  route({
    name: 'r',
    route: [{ destination: { host: 'api.test' } }],
    fault: { abort: { httpStatus: 500, percentage: { value: 1 } } },
  }),
  weft('FilterChain', 'mine', { direction: 'outbound', ...spec }),
];
const INSERTED = [{ filter: 'headers', after: 'fault', config: { request: { set: { a: 'b' } } } }];

const PORT = { number: 80, name: 'http', protocol: 'HTTP' };
const HTTPS = { number: 443, name: 'https', protocol: 'HTTPS' };
const gateway = (spec: object): readonly object[] => [
  entry(),
  istio('Gateway', 'edge', { selector: { istio: 'ingressgateway' }, servers: [{ port: PORT, hosts: ['*'] }], ...spec }),
  route({ route: [{ destination: { host: 'api.test' } }] }, { hosts: ['*'], gateways: ['edge'] }),
];

const EVERYTHING_SERVICE = resource('v1', 'Service', 'everything', {
  selector: { app: 'a' },
  ports: [{ name: 'http', port: 80 }],
});
const RBAC = 'rbac.istio.io/v1alpha1';
const roles = (kind: string, spec: object): readonly object[] => [
  EVERYTHING_SERVICE,
  resource(RBAC, kind, 'default', spec, kind === 'ClusterRbacConfig' ? { namespace: '' } : {}),
  resource(RBAC, 'ServiceRole', 'viewer', {
    rules: [{ services: ['*'], constraints: [{ key: 'request.headers[a]', values: ['b'] }] }],
  }),
  resource(RBAC, 'ServiceRoleBinding', 'all', { subjects: [{ user: '*' }], role: 'viewer' }),
];
const THIS = 'everything.default.svc.cluster.local';
const RBAC_CONFIGS = (['RbacConfig', 'ClusterRbacConfig'] as const).flatMap((kind): Row[] => {
  const inclusion = roles(kind, { mode: 'ON_WITH_INCLUSION', inclusion: { services: [THIS] } });
  const exclusion = roles(kind, { mode: 'ON_WITH_EXCLUSION', exclusion: { services: ['other'] } });
  return [
    { kind, field: 'inclusion.services', mesh: inclusion, values: [[THIS], ['other.default.svc.cluster.local']] },
    { kind, field: 'exclusion.services', mesh: exclusion, values: [[THIS], ['other.default.svc.cluster.local']] },
    { kind, field: 'exclusion.namespaces', mesh: exclusion, values: [['default'], ['other']] },
  ];
});

const actions = resource(RBAC, 'ServiceRoleBinding', 'direct', {
  subjects: [{ user: '*' }],
  actions: [{ services: ['*'], constraints: [{ key: 'request.headers[a]', values: ['b'] }] }],
});

const service = (port: object): readonly object[] => [
  resource('v1', 'Service', 'api', { selector: { app: 'api' }, ports: [{ port: 80, ...port }] }),
  istio('WorkloadEntry', 'api', { address: '127.0.0.2', labels: { app: 'api' }, ports: { web: 8080 } }),
  istio('WorkloadEntry', 'api-2', { address: '127.0.0.3', labels: { app: 'api' } }),
  route({ route: [{ destination: { host: 'api' } }] }, { hosts: ['api'] }),
];

const TELEMETRY = 'telemetry.istio.io/v1';
const OFF = { accessLogging: [{ disabled: true }] };
const telemetry = (spec: object): readonly object[] => [
  EVERYTHING_SERVICE,
  resource(TELEMETRY, 'Telemetry', 'one', { ...OFF, ...spec }),
];
const TARGET = { group: 'core', kind: 'Service', name: 'everything' };
const METRICS = {
  metrics: [{ providers: [{ name: 'prometheus' }], overrides: [{ match: { metric: 'REQUEST_COUNT' } }] }],
};

const TAGGED = {
  metrics: [
    {
      providers: [{ name: 'prometheus' }],
      overrides: [{ match: { metric: 'REQUEST_COUNT' }, tagOverrides: { source_app: { value: 'request.host' } } }],
    },
  ],
};
const plugin = (spec: object): readonly object[] => [
  resource(
    'extensions.istio.io/v1alpha1',
    'WasmPlugin',
    'mine',
    { url: 'oci://127.0.0.1:1/a/b:v1', ...spec },
    {
      annotations: {},
    },
  ),
  EVERYTHING_SERVICE,
  entry(),
  route({ route: [{ destination: { host: 'api.test' } }] }),
];

const OTHER_POOL = { connectionPool: { http: { maxRetries: 1 } } };
const CONNECTIONS = { connectionPool: { tcp: { maxConnections: 1 } } };
const ON_PORT = { port: { number: 80 }, ...OTHER_POOL };

/** A policy that is for one service, and for another. */
function targets(kind: KindName, of: (spec: object) => readonly object[]): Row[] {
  const ways = [
    ['targetRef', of({ targetRef: TARGET })],
    ['targetRefs[]', of({ targetRefs: [TARGET] })],
  ] as const;
  return ways.flatMap(([way, mesh]): Row[] => [
    { kind, field: `${way}.name`, mesh, values: ['everything', 'other'] },
    { kind, field: `${way}.group`, mesh, values: ['core', 'apps'], refused: true },
    { kind, field: `${way}.kind`, mesh, values: ['Service', 'Gateway'], refused: true },
    { kind, field: `${way}.namespace`, mesh, values: [undefined, 'other'], refused: true },
  ]);
}

/** One in another namespace than who calls it. */
const elsewhere = (of: object): object => ({ ...of, metadata: { name: 'api', namespace: 'other' } });
const LEFT_ALONE = route({ route: [{ destination: { host: 'api.test' } }] });

/** Another value than any that the meshes of everything give, where it cannot be made up. */
export const OTHERS: Readonly<Record<string, unknown>> = {
  'AuthorizationPolicy rules[].when[].key': 'request.headers[other]',
  'DestinationRule subsets[].trafficPolicy.loadBalancer.simple': 'ROUND_ROBIN',
  'Plugin digest': `sha256:${'1'.repeat(64)}`,
  'RateLimitPolicy limits[].by[].source': 'namespace',
  'ServiceEntry endpoints[].address': '127.9.9.9',
  'Telemetry accessLogging[].filter.expression': 'response.code >= 404',
  'Telemetry metrics[].overrides[].tagOverrides{}.value': 'request.host',
  'VirtualService http[].directResponse.body.bytes': 'aGk=',
  'VirtualService http[].fault.abort.grpcStatus': 'INTERNAL',
};

export const ROWS: readonly Row[] = [
  ...TLS_ROWS,
  ...TCP_ROWS,
  ...targets('AuthorizationPolicy', (spec) => [
    resource('security.istio.io/v1', 'AuthorizationPolicy', 'one', spec),
    EVERYTHING_SERVICE,
  ]),
  ...targets('RequestAuthentication', (spec) => [
    resource('security.istio.io/v1', 'RequestAuthentication', 'one', {
      jwtRules: [{ issuer: 'a', jwks: '{"keys":[]}' }],
      ...spec,
    }),
    EVERYTHING_SERVICE,
  ]),
  {
    kind: 'AuthorizationPolicy',
    field: 'rules[].when[].notValues',
    mesh: [
      resource('security.istio.io/v1', 'AuthorizationPolicy', 'one', {
        rules: [{ when: [{ key: 'request.headers[a]', values: ['a'] }] }],
      }),
    ],
    values: [['b'], ['c']],
  },
  {
    kind: 'ServiceRole',
    field: 'rules[].constraints[].values',
    mesh: roles('ClusterRbacConfig', { mode: 'ON' }),
    values: [['b'], ['c']],
  },
  {
    kind: 'ServiceRoleBinding',
    field: 'actions[].constraints[].values',
    mesh: [actions, ...roles('ClusterRbacConfig', { mode: 'ON' })],
    values: [['b'], ['c']],
  },
  { kind: 'FilterChain', field: 'direction', mesh: chain({ insert: INSERTED }), values: ['outbound', 'gateway'] },
  { kind: 'Gateway', field: 'servers[].port.protocol', mesh: gateway({}), values: ['HTTP', 'TCP'] },
  { kind: 'Gateway', field: 'servers[].hosts', mesh: gateway({}), values: [['*'], ['other.test']] },
  {
    kind: 'Gateway',
    field: 'servers[].tls.mode',
    mesh: gateway({ servers: [{ port: HTTPS, hosts: ['*'], tls: {} }] }),
    values: ['PASSTHROUGH', 'ISTIO_MUTUAL'],
  },
  { kind: 'ServiceEntry', field: 'hosts', mesh: [entry()], values: [['api.test'], ['other.test']] },
  { kind: 'ServiceEntry', field: 'resolution', mesh: [entry()], values: ['STATIC', 'DNS'] },
  {
    kind: 'ServiceEntry',
    field: 'ports[].name',
    mesh: [
      entry({ endpoints: undefined, workloadSelector: { labels: { app: 'api' } } }),
      istio('WorkloadEntry', 'api', { address: '127.0.0.2', labels: { app: 'api' }, ports: { http: 8080 } }),
    ],
    values: ['http', 'http-other'],
  },
  {
    kind: 'ServiceRoleBinding',
    field: 'subjects',
    mesh: roles('ClusterRbacConfig', { mode: 'ON' }),
    values: [[{ user: '*' }], [{ user: 'cluster.local/ns/a/sa/b' }]],
  },
  { kind: 'Telemetry', field: 'targetRefs', mesh: telemetry({}), values: [[TARGET], [{ ...TARGET, name: 'other' }]] },
  {
    kind: 'Telemetry',
    field: 'metrics[].overrides[].tagOverrides{}.operation',
    mesh: [resource(TELEMETRY, 'Telemetry', 'one', TAGGED)],
    values: ['UPSERT', 'REMOVE'],
    refused: true,
  },
  { kind: 'ServiceEntry', field: 'exportTo', mesh: [elsewhere(entry()), LEFT_ALONE], values: [['*'], ['.']] },
  {
    kind: 'DestinationRule',
    field: 'exportTo',
    mesh: [elsewhere(entry()), elsewhere(rule({ trafficPolicy: OTHER_POOL })), LEFT_ALONE],
    values: [['*'], ['.']],
  },
  ...RBAC_CONFIGS,
  {
    kind: 'ServiceRole',
    field: 'rules[].constraints[].key',
    mesh: roles('ClusterRbacConfig', { mode: 'ON' }),
    values: ['request.headers[a]', 'request.headers[c]'],
  },
  {
    kind: 'ServiceRoleBinding',
    field: 'actions[].constraints[].key',
    mesh: [actions, ...roles('ClusterRbacConfig', { mode: 'ON' })],
    values: ['request.headers[a]', 'request.headers[c]'],
  },
  ...MESH_ROWS,
  ...POOL_ROWS,
  ...(
    [
      ['portLevelSettings', [[ON_PORT], undefined]],
      ['portLevelSettings[].port.number', [80, 81]],
    ] as const
  ).map(
    ([field, values]): Row => ({
      kind: 'DestinationRule',
      field: `subsets[].trafficPolicy.${field}`,
      mesh: [
        entry(),
        rule({ subsets: [{ ...V1, trafficPolicy: { ...CONNECTIONS, portLevelSettings: [ON_PORT] } }] }),
        route(TO_V1),
      ],
      values,
    }),
  ),
  { kind: 'FilterChain', field: 'insert[].after', mesh: chain({ insert: INSERTED }), values: ['fault', 'cors'] },
  { kind: 'FilterChain', field: 'disable', mesh: chain({ disable: ['cors'] }), values: [['fault'], ['cors']] },
  {
    kind: 'FilterChain',
    field: 'routes',
    mesh: chain({ insert: INSERTED }),
    values: [[{ route: 'r', filter: 'headers', disable: true }], undefined],
  },
  ...(
    [
      ['route', ['r', 's']],
      ['filter', ['headers', 'fault']],
    ] as const
  ).map(
    ([field, values]): Row => ({
      kind: 'FilterChain',
      field: `routes[].${field}`,
      mesh: chain({ insert: INSERTED, routes: [{ route: 'r', filter: 'headers', disable: true }] }),
      values,
    }),
  ),
  {
    kind: 'FilterChain',
    field: 'routes[].disable',
    mesh: chain({ insert: INSERTED, routes: [{ route: 'r', filter: 'headers', disable: true }] }),
    values: [true, false],
    refused: true,
  },
  {
    kind: 'FilterChain',
    field: 'routes[].config',
    mesh: chain({ insert: INSERTED, routes: [{ route: 'r', filter: 'headers' }] }),
    values: [{ request: { set: { a: 'c' } } }, { request: { set: { a: 'd' } } }],
  },
  { kind: 'Gateway', field: 'selector', mesh: gateway({}), values: [{ istio: 'ingressgateway' }, { istio: 'other' }] },
  { kind: 'Service', field: 'ports[].name', mesh: service({ name: 'web' }), values: ['web', 'http'] },
  { kind: 'Service', field: 'ports[].appProtocol', mesh: service({ name: 'web' }), values: ['http', 'tcp'] },
  { kind: 'ServiceEntry', field: 'addresses', mesh: [entry()], values: [['127.2.0.1'], undefined] },
  { kind: 'ServiceEntry', field: 'ports[].protocol', mesh: [entry()], values: ['HTTP', 'TCP'] },
  { kind: 'ServiceEntry', field: 'ports[].targetPort', mesh: [entry()], values: [8080, undefined] },
  {
    kind: 'ServiceEntry',
    field: 'endpoints[].labels',
    mesh: [entry(), rule({ subsets: [V1] }), route(TO_V1)],
    values: [{ version: 'v1' }, { version: 'v2' }],
  },
  {
    kind: 'ServiceEntry',
    field: 'workloadSelector.labels',
    mesh: [
      entry({ endpoints: undefined, workloadSelector: { labels: { app: 'x' } } }),
      istio('WorkloadEntry', 'api', { address: '127.0.0.2', labels: { app: 'api' } }),
    ],
    values: [{ app: 'api' }, { app: 'x' }],
  },
  { kind: 'WorkloadEntry', field: 'weight', mesh: service({ name: 'http' }), values: [2, 3] },
  {
    kind: 'Telemetry',
    field: 'selector.matchLabels',
    mesh: telemetry({ selector: { matchLabels: {} } }),
    values: [{ app: 'a' }, { app: 'x' }],
  },
  ...targets('Telemetry', telemetry),
  ...targets('WasmPlugin', plugin),
  {
    kind: 'Telemetry',
    field: 'metrics[].overrides[].disabled',
    mesh: [resource(TELEMETRY, 'Telemetry', 'one', METRICS)],
    values: [true, undefined],
  },
  {
    kind: 'WasmPlugin',
    field: 'url',
    mesh: plugin({ imagePullPolicy: 'Always' }),
    values: ['oci://127.0.0.1:1/a/b:v1', 'oci://127.0.0.1:1/a/c:v1'],
  },
  {
    kind: 'WasmPlugin',
    field: 'sha256',
    mesh: plugin({ url: 'file:///a.wasm' }),
    values: ['0'.repeat(64), '1'.repeat(64)],
  },
  { kind: 'WasmPlugin', field: 'imagePullPolicy', mesh: plugin({}), values: ['Always', 'IfNotPresent'] },
  {
    kind: 'WasmPlugin',
    field: 'imagePullSecret',
    mesh: plugin({ imagePullPolicy: 'Always' }),
    values: ['robot', undefined],
  },
  { kind: 'WasmPlugin', field: 'type', mesh: plugin({}), values: ['HTTP', 'NETWORK'] },
  {
    kind: 'WasmPlugin',
    field: 'match[].ports[].number',
    mesh: plugin({ match: [{ ports: [{ number: 80 }] }] }),
    values: [80, 81],
  },
];
