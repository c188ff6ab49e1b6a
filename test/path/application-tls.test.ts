// Applications that speak TLS themselves, where mutual TLS is PERMISSIVE: whoever does not say in the hello that it is a sidecar is
// for the application, as in Istio.

import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { helloFor, inRecords } from '../fuzz/client-hello.ts';
import { until } from '../until.ts';
import { type Pair, type WebAuthority, webAuthority } from '../web-certificates.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { peerAuthentication } from './mtls-rules.ts';

const SERVER = '127.43.20.2';
const TLS_BY = ['tls', 'https', 'tcp', undefined];

let web: WebAuthority;
let pair: Pair;
let mesh: TestAuthority;
let own: WorkloadIdentity;
let caller: WorkloadIdentity;
/** Where the application listens that speaks TLS. */
let appPort: number;
const closers: (() => unknown)[] = [];

before(async () => {
  [web, mesh] = await Promise.all([webAuthority(), testAuthority()]);
  closers.push(mesh.close);
  pair = await web.issue(['app.test']);
  [own, caller] = await Promise.all([mesh.identity('app'), mesh.identity('caller')]);
  const app = createServer({ ...pair, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    socket.on('error', () => undefined);
    socket.end(`the application, in ${socket.alpnProtocol || 'nothing'}`);
  });
  app.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  closers.push(() => app.close());
  appPort = (app.address() as { port: number }).port;
});
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** A sidecar that takes both. */
async function sidecar(appProtocol: string | undefined, to = appPort, handshakeTimeoutMs?: number) {
  const plane = await startDataPlane({ address: SERVER, appPort: to, appProtocol, handshakeTimeoutMs });
  closers.push(plane.close);
  plane.plane.setIdentity(own);
  plane.apply(peerAuthentication('PERMISSIVE'));
  return plane;
}

/** All that is said to it, or why nothing is. */
function heard({ ports }: RunningDataPlane, options: ConnectionOptions): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket: TLSSocket = connect({ host: SERVER, port: ports.inbound, servername: 'app.test', ...options });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  return promise;
}

test('TLS of a client without a sidecar is the application’s own, whatever its port says but http', async () => {
  for (const protocol of TLS_BY) {
    const plane = await sidecar(protocol);
    const said = { ca: web.ca };
    assert.equal(await heard(plane, said), 'the application, in nothing', protocol);
    assert.equal(await heard(plane, { ...said, ALPNProtocols: ['h2'] }), 'the application, in h2', protocol);
    // Also of who has a certificate of the mesh and does not say so.
    const certified = { ...said, key: caller.key, cert: caller.chain };
    assert.equal(await heard(plane, certified), 'the application, in nothing', protocol);
    plane.apply(peerAuthentication('STRICT'));
    assert.equal(await heard(plane, said), '', protocol);
    plane.close();
  }
  const plane = await sidecar('http');
  assert.equal(await heard(plane, { ca: web.ca }), '');
  plane.close();
});

test('who offers what sidecars offer has to have a certificate of the mesh', async () => {
  const app = await startTcp((socket) => socket.on('error', () => undefined).end('in plain text'));
  closers.push(app.close);
  for (const protocol of ['tls', undefined]) {
    const plane = await sidecar(protocol, app.port);
    const meant = { ca: own.roots, checkServerIdentity: () => undefined, ALPNProtocols: ['istio'] };
    assert.equal(await heard(plane, { ...meant, key: caller.key, cert: caller.chain }), 'in plain text');
    await plane.ended(1);
    assert.equal(plane.records.at(-1)?.principal, 'cluster.local/ns/default/sa/caller');
    assert.equal(await heard(plane, meant), '');
    await until('it is told', () => plane.logs.some((line) => /the client shows no certificate/.test(line)));
    plane.close();
  }
});

test('a hello may come byte by byte, and half of one that stalls is given up', async () => {
  const received: Buffer[] = [];
  const app = await startTcp((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('end', () => socket.end());
  });
  closers.push(app.close);
  const plane = await sidecar('tls', app.port);
  const hello = inRecords(helloFor('app.test'));
  const slow = connectTcp(plane.ports.inbound, SERVER).setNoDelay(true);
  for (const byte of hello.subarray(0, 20)) slow.write(Buffer.from([byte]));
  slow.end(hello.subarray(20));
  await until('all of it', () => Buffer.concat(received).equals(hello));
  slow.destroy();
  received.length = 0;
  const hasty = await sidecar('tls', app.port, 300);
  const half = connectTcp(hasty.ports.inbound, SERVER);
  half.on('error', () => undefined).resume();
  half.write(hello.subarray(0, 20));
  await until('it is closed', () => half.closed);
  assert.equal(received.length, 0);
  // What begins as one and is none was said by who speaks something else.
  const other = connectTcp(plane.ports.inbound, SERVER);
  other.on('error', () => undefined).end(Buffer.from('160900', 'hex'));
  await until('the other bytes', () => Buffer.concat(received).toString('hex') === '160900');
  other.destroy();
});
