// A MeshConfig with each field: whom the policies of everything ask, what is not enforced, and a service for what is said of
// services.

const PROXIES = {
  gatewayTopology: { proxyProtocol: {}, forwardClientCertDetails: 'SANITIZE', numTrustedProxies: 1 },
  proxyHeaders: {
    forwardedClientCert: 'SANITIZE',
    ...{ setCurrentClientCertDetails: { cert: true }, requestId: { disabled: true }, server: { disabled: true } },
    ...{ attemptCount: { disabled: true }, envoyDebugHeaders: { disabled: true } },
    ...{ metadataExchangeHeaders: { mode: 'IN_MESH' }, preserveHttp1HeaderCase: true },
    ...{ xForwardedHost: { enabled: true }, xForwardedPort: { enabled: true } },
  },
  ...{ configPath: '/a', binaryPath: '/b', serviceCluster: 'c', drainDuration: '1s', terminationDrainDuration: '1s' },
  ...{ discoveryAddress: 'd:1', statsdUdpAddress: 'e:1', proxyAdminPort: 1, controlPlaneAuthPolicy: 'NONE' },
  ...{ customConfigFile: '/f', statNameLength: 1, concurrency: 1, proxyBootstrapTemplatePath: '/g' },
  ...{ interceptionMode: 'NONE', tracing: { sampling: 1 }, envoyAccessLogService: { address: 'h:1' } },
  ...{ envoyMetricsService: { address: 'i:1' }, proxyMetadata: { A: 'b' }, runtimeValues: { a: 'b' }, statusPort: 1 },
  ...{
    extraStatTags: ['a'],
    meshId: 'j',
    readinessProbe: { httpGet: {} },
    proxyStatsMatcher: { inclusionPrefixes: [] },
  },
  ...{ holdApplicationUntilProxyStarts: false, caCertificatesPem: ['k'], image: { imageType: 'default' } },
  ...{ privateKeyProvider: { qat: {} }, fileFlushInterval: '1s', fileFlushMinSizeKb: 1, statsCompression: true },
};
const TLS = { minProtocolVersion: 'TLSV1_2', cipherSuites: ['ECDHE-ECDSA-AES128-SHA'], ecdhCurves: ['P-384'] };
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
  ...{ defaultConfig: PROXIES, defaultProviders: { metrics: ['prometheus'] } },
  ...{ defaultServiceExportTo: ['.'], defaultVirtualServiceExportTo: ['.'], defaultDestinationRuleExportTo: ['.'] },
  ...{ connectTimeout: '1s', tcpKeepalive: { probes: 3 }, protocolDetectionTimeout: '0.1s', serverFirstPorts: [9000] },
  h2UpgradePolicy: 'UPGRADE',
  defaultHttpRetryPolicy: {
    ...{ attempts: 3, retryOn: '503,http3-post-connect-failure', perTryTimeout: '1s', backoff: '1s' },
    ...{ retryRemoteLocalities: true, retryIgnorePreviousHosts: false },
  },
  ...{ pathNormalization: { normalization: 'NONE' }, trustDomain: 'a', trustDomainAliases: ['b'] },
  ...{ rootNamespace: 'root', caCertificates: [{ pem: 'c' }], enableAutoMtls: false, enablePrometheusMerge: true },
  meshMTLS: TLS,
  tlsDefaults: TLS,
  localityLbSetting: { enabled: true },
  ...{ verifyCertificateAtClient: false, inboundTrafficPolicy: { mode: 'LOCALHOST' }, discoverySelectors: [{}] },
  ...{ serviceSettings: [{ hosts: ['*'] }], serviceScopeConfigs: [{ scope: 'GLOBAL' }], dnsRefreshRate: '5s' },
  ...{ inboundClusterStatName: 'a', outboundClusterStatName: 'b', disableEnvoyListenerLog: true },
  ...{ enableEnvoyAccessLogService: true, proxyListenPort: 1, proxyInboundListenPort: 2, proxyHttpPort: 3 },
  ...{ ingressClass: 'c', ingressService: 'd', ingressSelector: 'e', ingressControllerMode: 'OFF' },
  ...{ configSources: [{ address: 'f' }], certificates: [{ secretName: 'g' }], ca: { address: 'h' } },
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
