// Each field of MeshConfig: whom the policies of everything ask, and what is not enforced.

export const MESH_WIDE = {
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
      envoyExtAuthzGrpc: { service: 'ext-authz.foo.svc.cluster.local', port: 9000, failOpen: true },
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
  ...{ connectTimeout: '1s', tcpKeepalive: { probes: 3 }, protocolDetectionTimeout: '0.1s' },
  ...{ h2UpgradePolicy: 'UPGRADE', defaultHttpRetryPolicy: { attempts: 3 } },
  ...{ pathNormalization: { normalization: 'NONE' }, trustDomain: 'a', trustDomainAliases: ['b'] },
  ...{ rootNamespace: 'root', caCertificates: [{ pem: 'c' }], enableAutoMtls: false, enablePrometheusMerge: true },
  localityLbSetting: { enabled: true },
};
