// A gateway's server of AUTO_PASSTHROUGH: who asks for a service by the name that sidecars have for it gets to that service's sidecars without a
// rule, and has the TLS with them.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { flagNames } from '../../core/errors.ts';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { peerAuthentication, workload } from './mtls-rules.ts';

const SERVER = '127.47.8.2';
const CALLER = '127.47.8.1';
const DETAILS = 'outbound_.80_._.details.default.svc.cluster.local';
const PRINCIPAL = 'cluster.local/ns/default/sa/bookinfo-productpage';

let authority: TestAuthority;
let own: WorkloadIdentity;
let gateway: RunningDataPlane;
let server: RunningDataPlane;
let caller: RunningDataPlane;
let plain: { readonly port: number; close(): unknown };
let reached = 0;
const closers: (() => unknown)[] = [];

const SERVICES = ['details', 'plain'].map(
  (name) => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 9080 }] }`,
);
const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details }
spec: { host: details, subsets: [{ name: v1, labels: { app: details } }, { name: none, labels: { app: none } }] }`;

const passing = (hosts: string, mode = 'AUTO_PASSTHROUGH') =>
  `{ port: { number: 8080, name: ${mode === 'PASSTHROUGH' ? 'tls' : 'auto'}, protocol: TLS }, hosts: [${hosts}], tls: { mode: ${mode} } }`;
const edge = (...servers: string[]) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: ingressgateway }, servers: [${servers}] }`;

before(async () => {
  authority = await testAuthority();
  const app = await startApp((_, response) => response.end('details'));
  plain = await startTcp((socket) => {
    reached++;
    socket.end('bare');
  });
  gateway = await startDataPlane({ role: 'gateway' });
  server = await startDataPlane({ address: SERVER, labels: { app: 'details' }, appPort: app.port });
  caller = await startDataPlane({ address: CALLER });
  own = await authority.identity('bookinfo-productpage');
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(own);
  gateway.plane.setIdentity(await authority.identity('bookinfo-edge'));
  closers.push(authority.close, app.close, plain.close, gateway.close, server.close, caller.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  gateway.unconfigure();
  gateway.told([
    workload('details', SERVER, server.ports.inbound, []),
    { ...workload('plain', '127.0.0.1', plain.port, []), tls: false },
  ]);
  gateway.records.length = 0;
  server.unconfigure();
  server.apply(peerAuthentication('STRICT'));
  server.records.length = 0;
  reached = 0;
});

/** As a sidecar of the mesh, through the gateway; how it ends. */
async function greet(servername: string, ALPNProtocols = ['istio-http/1.1']): Promise<string> {
  const { length } = gateway.records;
  const { promise, resolve } = Promise.withResolvers<string>();
  const where = { host: '127.0.0.1', port: gateway.ports.gateway, servername, ALPNProtocols };
  const { key, chain, roots } = own;
  const socket = connectTls({ ...where, key, cert: chain, ca: roots, checkServerIdentity: () => undefined });
  let heard = '';
  socket.on('data', (piece) => {
    heard += piece;
  });
  socket.on('error', () => resolve('closed'));
  socket.on('close', () => resolve(heard === '' ? 'closed' : heard));
  socket.write('GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n');
  const heardAll = await promise;
  await gateway.ended(length + 1);
  return heardAll;
}

/** One that leads nowhere. */
async function refused(servername: string, protocols?: string[]): Promise<void> {
  assert.equal(await greet(servername, protocols), 'closed', servername);
  const { flags, cluster } = gateway.records.at(-1)!;
  assert.deepEqual([flagNames(flags), cluster], ['NR', ''], servername);
}

test('the name of a service, or of a subset of it, leads to its sidecar without a rule, and the TLS is with that', async () => {
  gateway.apply(edge(passing('"*"')), ...SERVICES, SUBSETS);
  for (const [subset, count] of [['', 1] as const, ['v1', 2] as const]) {
    const name = `outbound_.80_.${subset}_.details.default.svc.cluster.local`;
    assert.match(await greet(name), /^HTTP\/1\.1 200 .*details$/s);
    assert.equal(gateway.records.at(-1)?.cluster, name);
    assert.equal(gateway.records.at(-1)?.upstream, `${SERVER}:${server.ports.inbound}`);
    await server.ended(count);
    assert.equal(server.records.at(-1)?.principal, PRINCIPAL);
  }
  const shown = gateway.plane.dump('routes') as { domains: string[]; action: string }[];
  assert.ok(shown.some(({ domains, action }) => domains[0] === DETAILS && action === DETAILS));
});

test('a sidecar whose endpoint is the gateway asks for the service by that name', async () => {
  gateway.apply(edge(passing('"*.local"')), ...SERVICES);
  caller.apply(
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: details }
spec:
  hosts: [details.default.svc.cluster.local]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { http: ${gateway.ports.gateway} } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details }
spec: { host: details.default.svc.cluster.local, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }`,
  );
  const wire = 'GET / HTTP/1.1\r\nHost: details.default.svc.cluster.local\r\nConnection: close\r\n\r\n';
  assert.match(await exchangeBytes(caller.ports.outbound, wire, undefined, CALLER), /^HTTP\/1\.1 200 .*details/s);
  await server.ended(1);
  assert.equal(server.records.at(-1)?.principal, PRINCIPAL);
  // The sidecar keeps its connection for who calls next.
  caller.unconfigure();
  await gateway.ended(1);
});

test('what is no service, port or subset that the gateway sees is closed', async () => {
  const hidden = SERVICES[0].replace(
    'name: details',
    "name: details, annotations: { networking.istio.io/exportTo: '~' }",
  );
  gateway.apply(edge(passing('"*"')), ...SERVICES, SUBSETS);
  for (const name of [
    DETAILS.replace('details', 'unknown'),
    DETAILS.replace('80', '81'),
    DETAILS.replace('80_._', '80_.v9_'),
    'details.default.svc.cluster.local',
    'outbound_.80_._.',
  ]) {
    await refused(name);
  }
  gateway.apply(hidden);
  await refused(DETAILS);
  gateway.apply(SERVICES[0]);
  assert.match(await greet(DETAILS), /200/);
});

test('the hosts of the server say which services there are for who comes', async () => {
  gateway.apply(...SERVICES);
  for (const [hosts, passes] of [
    ['details.default.svc.cluster.local', true],
    ['"*.default.svc.cluster.local"', true],
    ['"*.other.svc.cluster.local"', false],
    ['"default/*"', true],
    ['"./*"', true],
    ['"other/*"', false],
  ] as const) {
    gateway.apply(edge(passing(hosts)));
    if (passes) assert.match(await greet(DETAILS), /200/, hosts);
    else await refused(DETAILS);
  }
});

test('nobody gets past mutual TLS: not to who does not end it, and not by another protocol', async () => {
  gateway.apply(edge(passing('"*"')), ...SERVICES);
  assert.equal(await greet(DETAILS.replace('details', 'plain')), 'closed');
  assert.equal(flagNames(gateway.records[0].flags), 'UH');
  assert.equal(reached, 0);
  await refused(DETAILS, ['http/1.1']);
  await refused(DETAILS, ['h2', 'http/1.1']);
});

test('PASSTHROUGH beside it on the port goes by its rules, and what is taken away leads nowhere any more', async () => {
  gateway.apply(
    edge(passing('"*.local"'), passing('"*.example.com"', 'PASSTHROUGH')),
    ...SERVICES,
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec: { hosts: [web.test], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: STATIC, endpoints: [{ address: 127.0.0.1, ports: { tls: ${plain.port} } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: ["*.example.com"], gateways: [edge], tls: [{ match: [{ sniHosts: ["*.example.com"] }], route: [{ destination: { host: web.test } }] }] }`,
  );
  assert.match(await greet(DETAILS), /200/);
  assert.equal(await greet('a.example.com'), 'closed');
  assert.deepEqual([gateway.records[1].cluster, reached], ['outbound|443||web.test', 1]);
  gateway.apply(edge(passing('"*.example.com"', 'PASSTHROUGH')));
  await refused(DETAILS);
  const clusters = gateway.plane.dump('clusters') as { name: string }[];
  assert.ok(clusters.every(({ name }) => !name.startsWith('outbound_')));
});
