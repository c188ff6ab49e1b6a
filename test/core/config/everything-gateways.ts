// Gateways that give each field of servers and of their TLS once at least, as everything-else.ts does for other kinds.

const gateway = (name: string, spec: object): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name },
  spec,
});
const https = (name: string) => ({ port: { number: 443, protocol: 'HTTPS', name }, hosts: ['secure.test'] });

export const GATEWAYS: readonly object[] = [
  gateway('edge', {
    selector: { istio: 'ingressgateway' },
    servers: [
      {
        name: 'a',
        port: { number: 8080, protocol: 'HTTP', name: 'http' },
        hosts: ['a.test'],
        bind: '127.0.0.2',
        tls: { mode: 'PASSTHROUGH', httpsRedirect: false },
        defaultEndpoint: '127.0.0.1:80',
      },
    ],
  }),
  gateway('encrypted', {
    servers: [
      {
        ...https('a'),
        port: { number: 0, protocol: 'HTTPS', name: 'a' },
        bind: 'unix:///a',
        tls: { mode: 'PASSTHROUGH' },
      },
      {
        ...https('b'),
        tls: { mode: 'SIMPLE', credentialNames: ['a'], ecdhCurves: ['P-256'], cipherSuites: ['AES128-SHA'] },
      },
      {
        ...https('c'),
        tls: {
          mode: 'MUTUAL',
          tlsCertificates: [{ privateKey: 'a', serverCertificate: 'b', caCertificates: 'c' }],
          caCertificates: 'd',
        },
      },
      {
        ...https('d'),
        tls: {
          mode: 'MUTUAL',
          serverCertificate: 'a',
          privateKey: 'b',
          caCertificates: 'c',
          caCrl: 'd',
          subjectAltNames: ['a'],
          verifyCertificateSpki: ['a'],
          verifyCertificateHash: ['a'],
          minProtocolVersion: 'TLSV1_2',
          maxProtocolVersion: 'TLSV1_3',
          insecureSkipVerify: false,
        },
      },
      {
        ...https('e'),
        tls: {
          mode: 'SIMPLE',
          credentialName: 'a',
          minProtocolVersion: 'TLSV1_0',
          maxProtocolVersion: 'TLSV1_1',
          cipherSuites: ['AES128-SHA'],
        },
      },
      { ...https('h'), tls: { mode: 'MUTUAL', credentialName: 'a', caCertCredentialName: 'b' } },
      { ...https('f'), tls: { mode: 'AUTO_PASSTHROUGH' } },
      { ...https('g'), port: { number: 3306, protocol: 'TCP', name: 'tcp' }, tls: undefined },
    ],
  }),
];
