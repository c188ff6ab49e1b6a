// What clients do to TLS at a gateway that no browser does: new keys on old connections, floods of handshakes, TLS where none is.

import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { nodeMark } from '../../core/config/serial.ts';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { call, type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { helloOf, NO_CREDENTIAL, overTls } from './gateway-clients.ts';
import { type TestAuthority, testAuthority } from './identities.ts';

let authority: WebAuthority;
let workloads: TestAuthority;
let edge: RunningDataPlane;
let port: number;
const closers: (() => unknown)[] = [];

const gateway = (protocol: string, tls = ''): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: all, protocol: ${protocol}}, hosts: ['*']${tls}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec: {hosts: ['*'], gateways: [edge], http: [{directResponse: {status: 200, body: {string: served}}}]}
`;
const SIMPLE = gateway('HTTPS', ', tls: {mode: SIMPLE, credentialName: a}');

before(async () => {
  authority = await webAuthority();
  workloads = await testAuthority();
  edge = await startDataPlane({ role: 'gateway', serviceAccount: 'edge' });
  port = edge.ports.gateway;
  closers.push(edge.close, workloads.close);
  edge.plane.setCredential('kubernetes://a', { ...NO_CREDENTIAL, ...(await authority.issue(['a.test'])) });
});
after(async () => {
  for (const close of closers) await close();
});

const ask = (options: object = {}) => overTls({ port, ca: authority.ca, ...options });

test('who asks for new keys on a connection of TLS 1.2 is cut off, and the others are not', async () => {
  edge.apply(SIMPLE);
  const { promise, resolve } = Promise.withResolvers<string>();
  const client: TLSSocket = connect({
    ...{ host: '127.0.0.1', port, servername: 'a.test', ca: authority.ca, maxVersion: 'TLSv1.2' },
  });
  client.on('error', () => undefined);
  client.once('close', () => resolve('cut off'));
  client.once('secureConnect', () => {
    client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    client.once('data', () => {
      client.renegotiate({}, (error) => {
        if (error === null) resolve('has new keys');
      });
    });
  });
  assert.equal(await promise, 'cut off');
  client.destroy();
  assert.equal((await ask()).status, 200);
});

test('a flood of handshakes that are begun and left does not keep anybody from being served', async () => {
  edge.apply(SIMPLE);
  const hello = await helloOf();
  const flood: Socket[] = [];
  closers.push(() => {
    for (const socket of flood) socket.destroy();
  });
  const opened: Promise<void>[] = [];
  for (let i = 0; i < 300; i++) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined);
    // Nothing, half of a hello, all of it and never the rest, or what is none.
    const said = [Buffer.alloc(0), hello.subarray(0, 60), hello, Buffer.from('\x16\x03\x01\x00\x05hello')][i % 4];
    opened.push(new Promise((resolve) => socket.once('connect', resolve).once('close', () => resolve())));
    if (said.length > 0) socket.write(said);
    flood.push(socket);
  }
  await Promise.all(opened);
  const served = await Promise.all(Array.from({ length: 10 }, () => ask()));
  assert.deepEqual([...new Set(served.map(({ status, text }) => status || text))], [200]);
  for (const socket of flood) socket.destroy();
  assert.equal((await ask()).status, 200);
});

test('TLS that comes to a port of plain HTTP gets no page, and that port serves on', async () => {
  edge.apply(gateway('HTTP'));
  const told = await ask();
  assert.equal(told.status, 0);
  assert.doesNotMatch(told.text, /served/);
  assert.equal((await call({ port, path: '/', headers: { host: 'a.test' } })).body, 'served');
});

test('ISTIO_MUTUAL takes workloads of the mesh alone, and shows them who it is', async () => {
  edge.apply(gateway('HTTPS', ', tls: {mode: ISTIO_MUTUAL}'));
  assert.match((await ask()).text, /^(error|closed)/, 'it has no certificate of the mesh yet');
  const own = await workloads.identity('edge');
  edge.plane.setIdentity(own);
  const caller = await workloads.identity('till', { namespace: 'shop' });
  const trusted = { ca: own.roots };
  assert.equal((await ask({ ...trusted, cert: caller.chain, key: caller.key })).status, 200);
  assert.equal(edge.records.at(-1)?.principal, 'cluster.local/ns/shop/sa/till');
  assert.match((await ask(trusted)).text, /^(error|closed)/);
  assert.match((await ask({ ...trusted, ...(await authority.issue(['a.test'])) })).text, /^(error|closed)/);
  edge.plane.setIdentity({ ...own, revoked: { [nodeMark('test')]: 1 } });
  assert.match((await ask({ ...trusted, cert: caller.chain, key: caller.key })).text, /^(error|closed)/);
  const other = await workloads.identity('till', { node: 'other' });
  assert.equal((await ask({ ...trusted, cert: other.chain, key: other.key })).status, 200);
});
