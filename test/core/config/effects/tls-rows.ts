// Rows of what says who speaks mutual TLS to whom: PeerAuthentication, and the `tls` of DestinationRules wherever it may stand.

import type { Row } from './row.ts';

function resource(apiVersion: string, kind: string, spec: object): object {
  return { apiVersion, kind, metadata: { name: 'api', namespace: 'default' }, spec };
}

const NETWORKING = 'networking.istio.io/v1';
const ENTRY = resource(NETWORKING, 'ServiceEntry', {
  hosts: ['api.test'],
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  resolution: 'STATIC',
  endpoints: [{ address: '127.0.0.2', labels: { version: 'v1' } }],
});
const route = (subset: object): object =>
  resource(NETWORKING, 'VirtualService', {
    hosts: ['api.test'],
    http: [{ route: [{ destination: { host: 'api.test', ...subset } }] }],
  });
const rule = (spec: object): object => resource(NETWORKING, 'DestinationRule', { host: 'api.test', ...spec });
const ofPort = (tls: object): object => ({ portLevelSettings: [{ port: { number: 80 }, tls }] });
const ofSubset = (trafficPolicy: object): object => ({
  subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy }],
});

const ASKED = { mode: 'ISTIO_MUTUAL' };
const PLACES: readonly (readonly [at: string, mesh: readonly object[]])[] = [
  ['trafficPolicy.tls', [ENTRY, rule({ trafficPolicy: { tls: ASKED } }), route({})]],
  ['trafficPolicy.portLevelSettings[].tls', [ENTRY, rule({ trafficPolicy: ofPort(ASKED) }), route({})]],
  ['subsets[].trafficPolicy.tls', [ENTRY, rule(ofSubset({ tls: ASKED })), route({ subset: 'v1' })]],
  ['subsets[].trafficPolicy.portLevelSettings[].tls', [ENTRY, rule(ofSubset(ofPort(ASKED))), route({ subset: 'v1' })]],
];

/** The same, with another mode. */
const spoken = (mesh: readonly object[], tls: object): readonly object[] =>
  JSON.parse(JSON.stringify(mesh).replaceAll(JSON.stringify(ASKED), JSON.stringify(tls))) as object[];
const SIMPLE = { mode: 'SIMPLE', credentialName: 'c' };
const MUTUAL = { mode: 'MUTUAL', clientCertificate: 'c', privateKey: 'k' };

const peers = (spec: object): readonly object[] => [
  resource('v1', 'Service', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80 }] }),
  resource('security.istio.io/v1', 'PeerAuthentication', {
    selector: { matchLabels: { app: 'a' } },
    mtls: { mode: 'PERMISSIVE' },
    ...spec,
  }),
];
const STRICT = { mode: 'STRICT' };

const edge = (tls: object): readonly object[] => [
  resource(NETWORKING, 'Gateway', {
    servers: [{ port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['*'], tls }],
  }),
];
const LISTED = { serverCertificate: 'a', privateKey: 'b' };

export const TLS_ROWS: readonly Row[] = [
  ...PLACES.flatMap(([at, mesh]): Row[] => [
    { kind: 'DestinationRule', field: `${at}.mode`, mesh, values: ['DISABLE', 'ISTIO_MUTUAL'] },
    ...(['caCertificates', 'clientCertificate', 'privateKey', 'caCrl'] as const).map(
      (field): Row => ({
        ...{ kind: 'DestinationRule', field: `${at}.${field}` },
        ...{ mesh: spoken(mesh, MUTUAL), values: ['/a', '/b'] },
      }),
    ),
    {
      ...{ kind: 'DestinationRule', field: `${at}.ecdhCurves`, mesh: spoken(mesh, MUTUAL) },
      values: [['X25519'], ['P-256']],
    },
    {
      ...{ kind: 'DestinationRule', field: `${at}.insecureSkipVerify`, mesh: spoken(mesh, MUTUAL) },
      values: [false, true],
    },
    { kind: 'DestinationRule', field: `${at}.credentialName`, mesh: spoken(mesh, SIMPLE), values: ['a', 'b'] },
    { kind: 'DestinationRule', field: `${at}.sni`, mesh, values: ['a', 'b'] },
    { kind: 'DestinationRule', field: `${at}.subjectAltNames`, mesh, values: [['spiffe://a'], ['spiffe://b']] },
  ]),
  {
    kind: 'PeerAuthentication',
    field: 'selector.matchLabels',
    mesh: peers({ mtls: STRICT }),
    values: [{ app: 'a' }, { app: 'nobody' }],
  },
  { kind: 'PeerAuthentication', field: 'mtls.mode', mesh: peers({}), values: ['STRICT', 'DISABLE'] },
  { kind: 'PeerAuthentication', field: 'portLevelMtls', mesh: peers({}), values: [undefined, { 8080: STRICT }] },
  {
    kind: 'PeerAuthentication',
    field: 'portLevelMtls{}.mode',
    mesh: peers({ portLevelMtls: { 8080: {} } }),
    values: ['STRICT', 'DISABLE'],
  },
  {
    kind: 'Gateway',
    field: 'servers[].tls.tlsCertificates',
    mesh: edge({ mode: 'SIMPLE' }),
    values: [[LISTED], [{ ...LISTED, privateKey: 'c' }]],
  },
  {
    kind: 'Gateway',
    field: 'servers[].tls.tlsCertificates[].caCertificates',
    mesh: edge({ mode: 'MUTUAL', caCertificates: 'a', tlsCertificates: [LISTED] }),
    values: ['c', 'd'],
  },
  ...['minProtocolVersion', 'maxProtocolVersion'].map(
    (field): Row => ({
      kind: 'Gateway',
      field: `servers[].tls.${field}`,
      mesh: edge({ mode: 'SIMPLE', credentialName: 'a' }),
      values: ['TLSV1_2', 'TLSV1_3'],
    }),
  ),
];
