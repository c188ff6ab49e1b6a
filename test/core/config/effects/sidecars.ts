// A mesh with everything that a Sidecar may say of listeners, beside what everything.ts says, and what of the mesh is enforced
// as it is.

const port = { number: 9090, protocol: 'TCP', name: 'tcp' };

export const SIDECARS: readonly object[] = [
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name: 'listeners' },
    spec: {
      ingress: [{ port, bind: '127.0.0.1', captureMode: 'NONE', connectionPool: { tcp: { maxConnections: 1 } } }],
      egress: [
        { port, bind: '127.0.0.9', captureMode: 'NONE', hosts: ['*/*'] },
        { captureMode: 'IPTABLES', hosts: ['./*'] },
      ],
      inboundConnectionPool: { tcp: { maxConnections: 1 } },
      outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'proxy.test', port: { number: 3128 } } },
    },
  },
  {
    apiVersion: 'weft.dev/v1',
    kind: 'MeshConfig',
    metadata: { name: 'default' },
    spec: {
      defaultHttpRetryPolicy: { attempts: 1, retryOn: '503' },
      defaultConfig: { gatewayTopology: { proxyProtocol: {} } },
    },
  },
];
