// A MeshConfig with each field: whom the policies of everything ask, what is not enforced, and a service for what is said of
// services.

const SPEC = {
  extensionProviders: [
    {
      name: 'ext',
      envoyExtAuthzHttp: {
        ...{ service: 'foo/ext-authz.foo.svc.cluster.local', port: '8000', timeout: '1s', pathPrefix: '/check' },
        ...{ failOpen: true, clearRouteCache: true, statusOnError: '503' },
        includeRequestHeadersInCheck: ['x-ext-authz', 'x-a-*'],
        includeAdditionalHeadersInCheck: { 'x-b': '1' },
        includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true, packAsBytes: true },
        ...{ headersToUpstreamOnAllow: ['x-c'], headersToDownstreamOnDeny: ['x-d'] },
        headersToDownstreamOnAllow: ['x-e'],
      },
    },
    {
      name: 'older',
      envoyExtAuthzHttp: { service: 'older', port: 80, includeHeadersInCheck: ['x-f'] },
    },
    {
      name: 'grpc',
      envoyExtAuthzGrpc: {
        ...{ service: 'ext-authz.foo.svc.cluster.local', port: 9000, timeout: '1s' },
        ...{ failOpen: true, clearRouteCache: true, statusOnError: '503' },
        includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true, packAsBytes: true },
      },
    },
    ...['zipkin', 'datadog', 'skywalking', 'opentelemetry', 'stackdriver', 'prometheus', 'envoyFileAccessLog'].map(
      (kind) => ({ name: kind, [kind]: {} }),
    ),
    { name: 'als', envoyOtelAls: { service: 'a', port: 1 } },
  ],
  outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
  ...{ accessLogFile: '/dev/stdout', accessLogFormat: '%PATH%', accessLogEncoding: 'JSON', enableTracing: true },
  ...{ defaultConfig: { concurrency: 1 }, defaultProviders: { metrics: ['prometheus'] } },
  ...{ defaultServiceExportTo: ['.'], defaultVirtualServiceExportTo: ['.'], defaultDestinationRuleExportTo: ['.'] },
  ...{ connectTimeout: '1s', tcpKeepalive: { probes: 3 }, protocolDetectionTimeout: '0.1s', serverFirstPorts: [9000] },
  h2UpgradePolicy: 'UPGRADE',
  defaultHttpRetryPolicy: {
    ...{ attempts: 3, retryOn: '503,http3-post-connect-failure', perTryTimeout: '1s', backoff: '1s' },
    ...{ retryRemoteLocalities: true, retryIgnorePreviousHosts: false },
  },
  ...{ pathNormalization: { normalization: 'NONE' }, trustDomain: 'a', trustDomainAliases: ['b'] },
  ...{ rootNamespace: 'root', caCertificates: [{ pem: 'c' }], enableAutoMtls: false, enablePrometheusMerge: true },
  localityLbSetting: { enabled: true },
};

export const MESH_WIDE: readonly object[] = [
  { apiVersion: 'weft.dev/v1', kind: 'MeshConfig', metadata: { name: 'default' }, spec: SPEC },
  {
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'mesh-wide' } },
    spec: {
      hosts: ['mesh-wide.test'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '127.0.0.2' }],
    },
  },
];
