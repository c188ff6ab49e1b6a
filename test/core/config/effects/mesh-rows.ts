// The rows of what MeshConfig, and a Sidecar in its place, say of services, of the routes to them and of who is asked over gRPC.

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

/** Of a rule that says nothing of it. */
const exported = (field: string, kind: string, spec: object): Row => {
  const { mesh, ...rest } = row(field, [['.'], ['other']]);
  const metadata = { name: 'api', namespace: 'default' };
  return { ...rest, mesh: [...mesh, { apiVersion: 'networking.istio.io/v1', kind, metadata, spec }] };
};

/** tlsDefaults: of a rule that speaks TLS to who is not of the mesh. */
const ofTls = (field: string, of: string, values: Row['values']): Row => {
  const { mesh, ...rest } = row(`${field}.${of}`, values, { [field]: {} });
  const spec = { host: 'api.test', trafficPolicy: { tls: { mode: 'SIMPLE' } } };
  const metadata = { name: 'api', namespace: 'default' };
  return {
    ...rest,
    mesh: [...mesh, { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata, spec }],
  };
};

const SIDECAR = { apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'mine' } };
const OTHERS = { hosts: ['*/other.test'] };
const sidecarRow = (field: string, values: Row['values'], spec: object): Row => ({
  kind: 'Sidecar',
  field,
  mesh: [ENTRY, { ...SIDECAR, spec }],
  values,
});

const ASKS = {
  ...{ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'ask' } },
  spec: { action: 'CUSTOM', provider: { name: 'asked' }, rules: [{}] },
};
const GRPC = { service: 'api.test', port: 80, includeRequestBodyInCheck: { maxRequestBytes: 9 } };
const ofGrpc = (field: string, values: Row['values']): Row => {
  const { mesh, ...rest } = row(`extensionProviders[].envoyExtAuthzGrpc.${field}`, values, {
    extensionProviders: [{ name: 'asked', envoyExtAuthzGrpc: GRPC }],
  });
  return { ...rest, mesh: [...mesh, ASKS] };
};

export const MESH_ROWS: readonly Row[] = [
  ofGrpc('service', ['api.test', 'other.test']),
  ofGrpc('port', [80, 81]),
  ofGrpc('timeout', ['1s', '2s']),
  ofGrpc('failOpen', [true, false]),
  ofGrpc('clearRouteCache', [true, false]),
  ofGrpc('statusOnError', ['403', '503']),
  ofGrpc('includeRequestBodyInCheck.maxRequestBytes', [9, 10]),
  ofGrpc('includeRequestBodyInCheck.allowPartialMessage', [true, false]),
  ofGrpc('includeRequestBodyInCheck.packAsBytes', [true, false]),
  row('outboundTrafficPolicy.mode', ['ALLOW_ANY', 'REGISTRY_ONLY'], { outboundTrafficPolicy: {} }),
  row('connectTimeout', ['1s', '2s']),
  row('protocolDetectionTimeout', ['1s', '2s']),
  row('serverFirstPorts', [[8080], [8081]]),
  row('defaultConfig.gatewayTopology.forwardClientCertDetails', ['SANITIZE', 'SANITIZE_SET'], {
    defaultConfig: { gatewayTopology: {} },
  }),
  row('defaultConfig.proxyHeaders.forwardedClientCert', ['SANITIZE', 'FORWARD_ONLY'], {
    defaultConfig: { proxyHeaders: {} },
  }),
  row('defaultServiceExportTo', [['.'], ['other']]),
  exported('defaultVirtualServiceExportTo', 'VirtualService', {
    hosts: ['api.test'],
    http: [{ directResponse: { status: 204 } }],
  }),
  exported('defaultDestinationRuleExportTo', 'DestinationRule', {
    host: 'api.test',
    trafficPolicy: { loadBalancer: { simple: 'RANDOM' } },
  }),
  ...(['meshMTLS', 'tlsDefaults'] as const).flatMap((field) => [
    ofTls(field, 'minProtocolVersion', ['TLSV1_2', 'TLSV1_3']),
    ofTls(field, 'cipherSuites', [['AES128-SHA'], ['AES256-SHA']]),
    ofTls(field, 'ecdhCurves', [['P-384'], ['P-521']]),
  ]),
  row('h2UpgradePolicy', ['UPGRADE', 'DO_NOT_UPGRADE']),
  ofRetries('attempts', [1, 2]),
  ofRetries('perTryTimeout', ['1s', '2s']),
  ofRetries('retryOn', ['5xx', '503']),
  ofRetries('retryIgnorePreviousHosts', [true, false]),
  ofRetries('backoff', ['1s', '2s']),
  sidecarRow('outboundTrafficPolicy.mode', ['ALLOW_ANY', 'REGISTRY_ONLY'], { outboundTrafficPolicy: {} }),
  // What is for port 9090 alone is not for api.test's port 80; a listener for clients of a proxy is for every port.
  sidecarRow('egress[].port.protocol', ['HTTP', 'HTTP_PROXY'], {
    egress: [{ port: { number: 9090, name: 'http' }, hosts: ['*/api.test'] }, OTHERS],
  }),
];
