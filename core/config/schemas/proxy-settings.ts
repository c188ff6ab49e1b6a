// What MeshConfig says of proxies themselves (defaultConfig): the fields of Istio's ProxyConfig. Most of them are about Envoy's process, and are
// options of `mesh run` and `mesh proxy` here.

import { count, duration, port, text, texts } from '../formats.ts';
import { boolean, map, notEnforced, object, oneOf, optional, struct, type TSchema } from '../schema.ts';

/** What the next hop is told of a client's certificate. UNDEFINED, as left out: what is usual there. */
const ForwardClientCert = oneOf(
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
);

const told = <Type extends TSchema>(name: string, schema: Type) =>
  notEnforced(optional(schema), `defaultConfig.${name}`);

const Topology = object({
  /** Clients begin with a header of the PROXY protocol. */
  proxyProtocol: optional(object({})),
  /** Usual: SANITIZE_SET. */
  forwardClientCertDetails: optional(ForwardClientCert),
  numTrustedProxies: notEnforced(optional(count), (hops) =>
    hops === 0 ? null : 'defaultConfig.gatewayTopology.numTrustedProxies',
  ),
});

const ProxyHeaders = object({
  /** At the application's port. Usual: APPEND_FORWARD. */
  forwardedClientCert: optional(ForwardClientCert),
  setCurrentClientCertDetails: told('proxyHeaders.setCurrentClientCertDetails', struct()),
  requestId: told('proxyHeaders.requestId', struct()),
  server: told('proxyHeaders.server', struct()),
  attemptCount: told('proxyHeaders.attemptCount', struct()),
  envoyDebugHeaders: told('proxyHeaders.envoyDebugHeaders', struct()),
  metadataExchangeHeaders: told('proxyHeaders.metadataExchangeHeaders', struct()),
  preserveHttp1HeaderCase: told('proxyHeaders.preserveHttp1HeaderCase', boolean),
  xForwardedHost: told('proxyHeaders.xForwardedHost', struct()),
  xForwardedPort: told('proxyHeaders.xForwardedPort', struct()),
});

export const ProxySettings = object({
  /** Of gateways. */
  gatewayTopology: optional(Topology),
  proxyHeaders: optional(ProxyHeaders),
  configPath: told('configPath', text),
  binaryPath: told('binaryPath', text),
  serviceCluster: told('serviceCluster', text),
  drainDuration: told('drainDuration (give proxies --drain-timeout)', duration),
  terminationDrainDuration: told('terminationDrainDuration (give proxies --drain-timeout)', duration),
  discoveryAddress: told('discoveryAddress', text),
  statsdUdpAddress: told('statsdUdpAddress', text),
  proxyAdminPort: told('proxyAdminPort', port),
  controlPlaneAuthPolicy: told('controlPlaneAuthPolicy', oneOf('NONE', 'MUTUAL_TLS')),
  customConfigFile: told('customConfigFile', text),
  statNameLength: told('statNameLength', count),
  concurrency: told('concurrency (give proxies --shards)', count),
  proxyBootstrapTemplatePath: told('proxyBootstrapTemplatePath', text),
  interceptionMode: told('interceptionMode', oneOf('REDIRECT', 'TPROXY', 'NONE')),
  tracing: told('tracing', struct()),
  envoyAccessLogService: told('envoyAccessLogService', struct()),
  envoyMetricsService: told('envoyMetricsService', struct()),
  proxyMetadata: told('proxyMetadata', map(text)),
  runtimeValues: told('runtimeValues', map(text)),
  statusPort: told('statusPort', port),
  extraStatTags: told('extraStatTags', texts),
  meshId: told('meshId', text),
  readinessProbe: told('readinessProbe', struct()),
  proxyStatsMatcher: told('proxyStatsMatcher', struct()),
  holdApplicationUntilProxyStarts: notEnforced(optional(boolean), (holds) =>
    holds ? null : 'defaultConfig.holdApplicationUntilProxyStarts: false (an application begins after its sidecar)',
  ),
  caCertificatesPem: told('caCertificatesPem', texts),
  image: told('image', struct()),
  privateKeyProvider: told('privateKeyProvider', struct()),
  fileFlushInterval: told('fileFlushInterval', duration),
  fileFlushMinSizeKb: told('fileFlushMinSizeKb', count),
  statsCompression: told('statsCompression', boolean),
});
