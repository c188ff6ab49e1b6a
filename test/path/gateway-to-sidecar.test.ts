// What came to a gateway by TLS goes on to a sidecar by mutual TLS: each hop has its own, and the application is told of the first.

import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { NO_CREDENTIAL, overTls } from './gateway-clients.ts';
import { ask } from './http2-app.ts';
import { testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const EDGE = '127.0.0.1';
const SERVER = '127.43.8.2';

const RULES = `
apiVersion: v1
kind: Service
metadata: { name: details }
spec: { selector: { app: details }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: https, protocol: HTTPS }, hosts: [a.test], tls: { mode: SIMPLE, credentialName: a } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec: { hosts: [a.test], gateways: [edge], http: [{ route: [{ destination: { host: details } }] }] }
`;
const upgrade = (policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details }
spec: { host: details, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: ${policy} } } } }`;

let web: WebAuthority;
let edge: RunningDataPlane;
let server: RunningDataPlane;
const hops: string[] = [];
const closers: (() => unknown)[] = [];

before(async () => {
  const authority = await testAuthority();
  web = await webAuthority();
  const app = await startApp((incoming, response) => {
    response.end(`${incoming.httpVersion} ${incoming.headers['x-forwarded-proto']}`);
  });
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: app.port },
    sink: { exchangeEnded: ({ connection }) => hops.push(String(connection.tls?.alpn)) },
  });
  edge = await startDataPlane({ role: 'gateway', serviceAccount: 'bookinfo-edge' });
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  edge.plane.setIdentity(await authority.identity('bookinfo-edge'));
  edge.plane.setCredential('kubernetes://a', { ...NO_CREDENTIAL, ...(await web.issue(['a.test'])) });
  const all = [workload('edge', EDGE, 0, []), workload('details', SERVER, server.ports.inbound, ['details'])];
  for (const { told } of [server, edge]) told(all);
  closers.push(app.close, authority.close, server.close, edge.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  hops.length = 0;
  edge.unconfigure();
  edge.apply(RULES);
});

test('a request that came by https shares connections to the sidecar, and its application hears of https', async () => {
  const told = await overTls({ port: edge.ports.gateway, host: 'a.test', ca: web.ca });
  assert.equal(told.status, 200, told.text);
  assert.match(told.text, /1\.1 https/);
  assert.deepEqual(hops, ['weft-multiplexed']);
});

test('so does one on a connection of its own', async () => {
  edge.apply(upgrade('DO_NOT_UPGRADE'));
  const told = await overTls({ port: edge.ports.gateway, host: 'a.test', ca: web.ca });
  assert.equal(told.status, 200, told.text);
  assert.match(told.text, /1\.1 https/);
});

test('so does one of a client that speaks HTTP/2', async () => {
  const client = connectHttp2(`https://${EDGE}:${edge.ports.gateway}`, { ca: web.ca, servername: 'a.test' });
  closers.push(() => client.destroy());
  const { status, body } = await ask(client, { ':path': '/', ':authority': 'a.test' });
  assert.deepEqual([status, body], [200, '1.1 https']);
  client.destroy();
});

test('what claims to be https and came in plain text is still none of the sidecar’s', async () => {
  const wire = 'GET https://details/ HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n';
  assert.match(await exchangeBytes(server.ports.inbound, wire, undefined, SERVER), /^HTTP\/1\.1 421 /);
});
