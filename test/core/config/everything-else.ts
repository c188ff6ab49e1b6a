// What everything.ts leaves out, so that each field of each kind is given once at least: meshes with alternatives to what
// stands there. Plain objects, as the API takes them.

import { KINDS, type KindName } from '../../../core/config/kind-names.ts';
import { GATEWAYS } from './everything-gateways.ts';
import { CREDENTIAL, MUTUAL, ORIGINATED } from './everything-tls.ts';
import { MESH_WIDE } from './mesh-wide.ts';

function resource(kind: KindName, name: string, spec: object, metadata: object = {}): object {
  const { group, versions, kind: bare } = KINDS[kind];
  const apiVersion = group === '' ? versions[0] : `${group}/${versions[0]}`;
  return { apiVersion, kind: bare, metadata: { name, ...metadata }, spec };
}

const WARM = { duration: '30s' };
const POOL = {
  tcp: {
    maxConnections: 1,
    connectTimeout: '1s',
    tcpKeepalive: { probes: 3 },
    maxConnectionDuration: '1h',
    idleTimeout: '1h',
  },
  http: {
    http1MaxPendingRequests: 1,
    http2MaxRequests: 1,
    maxRequestsPerConnection: 1,
    maxRetries: 1,
    idleTimeout: '1h',
    h2UpgradePolicy: 'DO_NOT_UPGRADE',
    useClientProtocol: true,
    maxConcurrentStreams: 1,
    http2KeepAlive: { interval: '1s', timeout: '1s' },
  },
};

/** Each but what excludes another, with a balancer for what is enforced of it. */
function traffic(loadBalancer: object): object {
  const tls = 'backendUtilization' in loadBalancer ? ORIGINATED : 'simple' in loadBalancer ? MUTUAL : CREDENTIAL;
  return { loadBalancer, connectionPool: POOL, outlierDetection: { interval: '5s' }, tls };
}

function trafficPolicy(loadBalancer: object, perPort: object, sent: object = TUNNEL): object {
  return {
    ...traffic(loadBalancer),
    portLevelSettings: [{ port: { number: 9080 }, ...traffic(perPort) }],
    ...sent,
    retryBudget: { percent: 20, minRetryConcurrency: 3, budgetInterval: '10s' },
  };
}

const TUNNEL = { tunnel: { targetHost: 'a.test', targetPort: 443 } };
const PREAMBLE = { proxyProtocol: { version: 'V1' } };

const BALANCERS = [
  { simple: 'RANDOM', localityLbSetting: { enabled: true }, warmup: WARM },
  { consistentHash: { useSourceIp: true }, zoneAwareLbSetting: { enabled: true }, warmupDurationSecs: '30s' },
  { simple: 'PASSTHROUGH', backendUtilization: {} },
];

const OPERATIONS = { set: { 'x-a': '1' }, add: { 'x-b': '2' }, remove: ['x-c'] };
const HEADERS = { request: OPERATIONS, response: OPERATIONS };
const OF_CONNECTIONS = { set: { Connection: 'close' }, add: { upgrade: 'a' }, remove: ['expect', 'x-a'] };
const TO_REVIEWS = { destination: { host: 'reviews0', port: { number: 9080 } } };

/** All that a route may do beside forwarding, on one route for each thing that excludes another. */
const ROUTES = [
  ...['exact', 'prefix', 'regex'].map((how) => ({
    match: [
      {
        uri: { [how]: '/a' },
        scheme: { [how]: 'http' },
        method: { [how]: 'GET' },
        authority: { [how]: 'a.test' },
        headers: { 'x-a': { [how]: '1' } },
        withoutHeaders: { 'x-b': { [how]: '1' } },
        queryParams: { q: { [how]: '1' } },
      },
    ],
    corsPolicy: {
      allowOrigins: [{ [how]: 'https://a.test' }],
      allowMethods: ['GET'],
      allowHeaders: ['x-a'],
      exposeHeaders: ['x-b'],
      maxAge: '1h',
      allowCredentials: true,
      unmatchedPreflights: 'IGNORE',
    },
    route: [{ ...TO_REVIEWS, headers: HEADERS }],
    headers: HEADERS,
  })),
  { match: [{ sourceLabels: { app: 'web' }, sourceNamespace: 'default' }], route: [TO_REVIEWS] },
  {
    route: [{ ...TO_REVIEWS, headers: { request: OF_CONNECTIONS, response: OF_CONNECTIONS } }],
    headers: { request: OF_CONNECTIONS, response: OF_CONNECTIONS },
  },
  { redirect: { uri: '/b', authority: 'b.test', port: 8443, scheme: 'https', redirectCode: 308 } },
  { redirect: { prefixRewrite: '/b' } },
  { route: [{ destination: { host: '*.wild.test' } }], mirror: { host: '*.wild.test' }, mirrorPercent: 5 },
  { route: [TO_REVIEWS], mirrors: [{ destination: { host: '*.wild.test' } }] },
  { directResponse: { status: 200, body: { bytes: 'aGVsbG8=' } } },
  {
    route: [TO_REVIEWS],
    rewrite: { uriRegexRewrite: { match: '/a/(.*)', rewrite: '/\\1' } },
    retries: { attempts: 2, retryOn: 'http3-post-connect-failure', retryIgnorePreviousHosts: false },
    fault: { delay: { percent: 5, fixedDelay: '1s' }, abort: { httpStatus: 500, percentage: { value: 5 } } },
    corsPolicy: { allowOrigin: ['https://a.test'] },
    mirror: { host: 'shadow' },
    mirrorPercent: 5,
  },
  {
    route: [TO_REVIEWS],
    fault: { delay: { fixedDelay: '1s', percentage: { value: 5 } }, abort: { grpcStatus: 'UNAVAILABLE' } },
    mirror: { host: 'shadow' },
    mirrorPercentage: { value: 5 },
  },
];

const TARGETS = [
  { group: 'core', kind: 'Service', name: 'everything', namespace: '' },
  { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'a' },
];
/** The three ways to say for which workloads a policy is. */
const ATTACHMENTS = [
  { selector: { matchLabels: { app: 'a' } } },
  { targetRef: TARGETS[0] },
  { targetRef: TARGETS[1] },
  { targetRefs: TARGETS },
];

const SUBSETS = BALANCERS.flatMap((_, i) =>
  [9080, 9090].map((number) => ({ route: [{ destination: { host: `reviews${i}`, subset: 'v1', port: { number } } }] })),
);

const SERVICES = BALANCERS.flatMap((balancer, i) => [
  resource('Service', `reviews${i}`, {
    selector: { app: 'a' },
    type: 'NodePort',
    sessionAffinity: i === 0 ? 'None' : 'ClientIP',
    loadBalancerSourceRanges: ['10.0.0.0/8'],
    ports: [
      { name: 'http', port: 9080, targetPort: 9081, protocol: 'TCP', nodePort: 30080 },
      { name: 'http-admin', port: 9090 },
    ],
  }),
  resource('DestinationRule', `reviews${i}`, {
    host: `reviews${i}`,
    exportTo: ['.'],
    workloadSelector: { matchLabels: { app: 'a' } },
    trafficPolicy: trafficPolicy(balancer, BALANCERS[(i + 1) % 3], i === 0 ? PREAMBLE : TUNNEL),
    subsets: [
      {
        name: 'v1',
        labels: { version: 'v1' },
        trafficPolicy: trafficPolicy(balancer, balancer, i === 0 ? PREAMBLE : TUNNEL),
      },
    ],
  }),
]);

const TRAFFIC = [
  ...SERVICES,
  resource('VirtualService', 'more', {
    hosts: ['a.test'],
    gateways: ['mesh', 'edge'],
    http: [...ROUTES, ...SUBSETS],
  }),
  ...GATEWAYS,
  resource('Service', 'elsewhere', {
    type: 'ExternalName',
    externalName: 'a.test',
    ports: [{ port: 53, protocol: 'UDP' }],
  }),
  resource('ServiceEntry', 'more', {
    hosts: ['more.test'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [
      { address: '10.1.2.4', network: 'n', serviceAccount: 'a', weight: 2 },
      { address: 'unix:///run/a.sock' },
    ],
    exportTo: ['*'],
    subjectAltNames: ['a'],
  }),
  resource('ServiceEntry', 'selected', {
    hosts: ['selected.test'],
    ports: [{ number: 80, name: 'udp', protocol: 'UDP' }],
    resolution: 'DYNAMIC_DNS',
    workloadSelector: { labels: { app: 'a' } },
  }),
  resource('WorkloadEntry', 'socket', { address: 'unix:///run/a.sock' }),
  resource('WorkloadEntry', 'more', { address: '127.1.0.4', weight: 2, locality: 'a/b' }),
  resource('FilterChain', 'more', {
    direction: 'outbound',
    insert: [{ filter: 'headers', after: 'fault', config: { request: { set: { a: 'b' } } } }],
    routes: [
      { route: 'r', filter: 'cors', disable: true },
      { route: 'r', filter: 'headers', config: {} },
    ],
  }),
];

const SOURCE = {
  principals: ['cluster.local/ns/a/sa/b'],
  notPrincipals: ['cluster.local/ns/a/sa/b'],
  requestPrincipals: ['a/b'],
  notRequestPrincipals: ['a/b'],
  namespaces: ['a'],
  notNamespaces: ['b'],
  ipBlocks: ['10.0.0.0/8'],
  notIpBlocks: ['10.0.0.0/8'],
  remoteIpBlocks: ['10.0.0.0/8'],
  notRemoteIpBlocks: ['10.0.0.0/8'],
  trustDomains: ['cluster.local'],
  notTrustDomains: ['a'],
};
const OPERATION = { hosts: ['a'], paths: ['/a'], methods: ['GET'], ports: ['80'] };
const NOT = { notHosts: ['a'], notPaths: ['/a'], notMethods: ['GET'], notPorts: ['80'] };

const POLICIES = ATTACHMENTS.flatMap((attached, i) => [
  ...(i === 0 ? MESH_WIDE : []),
  resource('AuthorizationPolicy', `a${i}`, {
    ...{ ...attached, action: 'CUSTOM', provider: { name: ['ext', 'older', 'grpc'][i % 3] } },
    rules: [
      {
        from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }],
        when: [{ key: 'experimental.envoy.filters.a[b]', values: ['b'] }],
      },
    ],
  }),
  resource('AuthorizationPolicy', `b${i}`, {
    ...attached,
    rules: [
      {
        from: [{ source: SOURCE }, { source: { serviceAccounts: ['a/b'], notServiceAccounts: ['a/c'] } }],
        to: [{ operation: { ...OPERATION, ...NOT } }],
      },
    ],
  }),
  resource('RequestAuthentication', `a${i}`, {
    ...attached,
    jwtRules: [
      {
        presence: 'REQUIRED',
        issuer: 'a',
        jwksUri: 'https://a.test/keys',
        timeout: '5s',
        fromParams: ['t'],
        fromCookies: ['t'],
        outputPayloadToHeader: 'x-payload',
        spaceDelimitedClaims: ['roles'],
      },
    ],
  }),
  resource('Telemetry', `a${i}`, {
    ...attached,
    metrics: [
      {
        providers: [{ name: 'prometheus' }, { name: 'stackdriver' }],
        overrides: [
          { match: { customMetric: 'mine' }, disabled: true },
          { match: { metric: 'TCP_SENT_BYTES' }, disabled: true },
        ],
        reportingInterval: '5s',
      },
    ],
    accessLogging: [{ match: { mode: 'SERVER' }, providers: [{ name: 'envoy' }, { name: 'otel' }] }],
  }),
  resource('WasmPlugin', `a${i}`, {
    ...attached,
    url: 'oci://127.0.0.1:1/a/b:latest',
    sha256: '0'.repeat(64),
    imagePullPolicy: 'IfNotPresent',
    imagePullSecret: 'a',
    verificationKey: 'a',
    pluginName: 'a',
    type: 'HTTP',
    match: [{ mode: 'CLIENT_AND_SERVER', ports: [{ number: 80 }] }],
  }),
]);

const FILTERS = [
  resource('Plugin', 'more', {
    digest: `sha256:${'0'.repeat(64)}`,
    version: '1.0.0',
    selector: { matchLabels: { app: 'a' } },
    mode: 'CLIENT',
    limits: { fuelPerCallback: 1000 },
  }),
  resource('RateLimitPolicy', 'more', {
    selector: { matchLabels: { app: 'a' } },
    scope: 'proxy',
    limits: ['exact', 'regex'].map((how) => ({
      name: how,
      requests: 1,
      per: '1s',
      by: [{ method: true }],
      match: { path: { [how]: '/a' } },
    })),
  }),
];

const RULE = { services: ['*'], ...OPERATION, ports: [80], ...NOT, notPorts: [81] };
const CONSTRAINTS = [{ key: 'experimental.envoy.filters.a', values: ['b'] }];
const KNOWN = { key: 'destination.namespace', values: ['a'] };
const SUBJECTS = [
  {
    names: ['a'],
    notNames: ['b'],
    groups: ['a'],
    notGroups: ['b'],
    namespaces: ['a'],
    notNamespaces: ['b'],
    notIps: ['10.0.0.0/8'],
  },
  { user: 'a', group: 'b' },
];

/** One for each mode, by the kind of its configuration. */
const ROLES = (['RbacConfig', 'ClusterRbacConfig'] as const).flatMap((kind) =>
  ['INCLUSION', 'EXCLUSION'].map((mode) => [
    resource(kind, 'default', {
      mode: `ON_WITH_${mode}`,
      [mode.toLowerCase()]: { services: ['a'], namespaces: mode === 'INCLUSION' ? ['default'] : ['b'] },
      enforcementMode: 'PERMISSIVE',
    }),
    resource('ServiceRole', 'a', { rules: [RULE, { services: ['*'], constraints: CONSTRAINTS }] }),
    resource('ServiceRoleBinding', 'a', { subjects: SUBJECTS, role: 'a' }),
    resource('ServiceRoleBinding', 'c', {
      subjects: [{ ips: ['10.0.0.0/8'], properties: { 'source.namespace': 'a' } }],
      roleRef: { kind: 'ServiceRole', name: 'a' },
      mode: 'PERMISSIVE',
    }),
    resource('ServiceRoleBinding', 'b', {
      subjects: SUBJECTS,
      actions: [RULE, { constraints: CONSTRAINTS }, { constraints: [KNOWN] }],
    }),
  ]),
);

/** Each a mesh. */
export const EVERYTHING_ELSE: readonly (readonly object[])[] = [TRAFFIC, POLICIES, FILTERS, ...ROLES];
