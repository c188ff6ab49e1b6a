// What MeshConfig says of mutual TLS at the application's port: which TLS is spoken there, and what the application is told of certificates.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const SERVER = '127.48.8.2';
const CALLER = '127.48.8.1';

let server: RunningDataPlane;
let caller: RunningDataPlane;
let admin: WorkloadIdentity;
let told: string | undefined;
const closers: (() => unknown)[] = [];

before(async () => {
  const authority = await testAuthority();
  const app = await startApp(({ headers }, response) => {
    told = headers['x-forwarded-client-cert']?.toString();
    response.end('ok');
  });
  server = await startDataPlane({ address: SERVER, labels: { app: 'details' }, appPort: app.port });
  caller = await startDataPlane({ address: CALLER });
  admin = await authority.identity('admin');
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
  for (const plane of [server, caller]) plane.told([workload('details', SERVER, server.ports.inbound, ['details'])]);
  closers.push(app.close, authority.close, server.close, caller.close);
});
after(async () => {
  for (const close of closers) await close();
});
afterEach(() => mesh(''));

function mesh(spec: string): void {
  const text = `{apiVersion: weft.dev/v1, kind: MeshConfig, metadata: {name: default}, spec: {${spec}}}`;
  for (const plane of [server, caller]) plane.apply(text);
}

const GET = 'GET / HTTP/1.1\r\nHost: details\r\nx-forwarded-client-cert: By=a;URI=b\r\nConnection: close\r\n\r\n';

/** With a certificate of the mesh; what is answered, or why it ended. */
function secure(options: ConnectionOptions = {}): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { key, chain: cert, roots: ca } = admin;
  const where = {
    host: SERVER,
    port: server.ports.inbound,
    ALPNProtocols: ['istio-http/1.1'],
    checkServerIdentity: () => undefined,
  };
  const socket = connect({ ...where, key, cert, ca, ...options });
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`));
  socket.on('close', () => resolve(got));
  socket.write(GET);
  return promise;
}

/** Through the caller's sidecar. */
const viaSidecar = (): Promise<string> => exchangeBytes(caller.ports.outbound, GET, undefined, CALLER);

test('the oldest version, suites and curves hold from the next handshake on', async () => {
  assert.match(await secure({ maxVersion: 'TLSv1.2' }), /^HTTP\/1\.1 200 /);
  mesh('meshMTLS: {minProtocolVersion: TLSV1_3}');
  assert.match(await secure({ maxVersion: 'TLSv1.2' }), /^error/);
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  mesh('meshMTLS: {cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdhCurves: [P-256]}');
  assert.match(await secure({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), /^error/);
  assert.match(await secure({ ecdhCurve: 'X25519' }), /^error/);
  assert.match(await secure({ ecdhCurve: 'P-256', maxVersion: 'TLSv1.2' }), /^HTTP\/1\.1 200 /);
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  mesh('tlsDefaults: {minProtocolVersion: TLSV1_3}');
  assert.match(await secure({ maxVersion: 'TLSv1.2' }), /^HTTP\/1\.1 200 /);
});

test('the application is told of certificates as it says', async () => {
  for (const [how, expected] of [
    ['APPEND_FORWARD', /^By=a;URI=b,By=spiffe:[^,]*sa\/admin$/],
    ['UNDEFINED', /^By=a;URI=b,By=spiffe:[^,]*sa\/admin$/],
    ['SANITIZE', /^undefined$/],
    ['FORWARD_ONLY', /^By=a;URI=b$/],
    ['SANITIZE_SET', /^By=spiffe:[^,]*sa\/admin$/],
    ['ALWAYS_FORWARD_ONLY', /^By=a;URI=b$/],
  ] as const) {
    mesh(`defaultConfig: {proxyHeaders: {forwardedClientCert: ${how}}}`);
    assert.match(await secure(), /^HTTP\/1\.1 200 /);
    assert.match(String(told), expected, how);
    // An application that calls has seen nobody's certificate.
    assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(String(told), /By=a/, how);
  }
});
