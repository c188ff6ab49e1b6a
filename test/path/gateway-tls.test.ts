// TLS that ends at a gateway: which certificate, which versions and protocols, and what comes out of it.

import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { helloOf, NO_CREDENTIAL, overTls } from './gateway-clients.ts';

let authority: WebAuthority;
let edge: RunningDataPlane;
let port: number;
let seen: Record<string, string | string[] | undefined> = {};
const closers: (() => unknown)[] = [];

const server = (hosts: string, tls: string, name = 'https'): string =>
  `{port: {number: 8080, name: ${name}, protocol: HTTPS}, hosts: [${hosts}], tls: {${tls}}}`;
const gateway = (servers: string, name = 'edge'): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  selector: {istio: ingressgateway}
  servers: [${servers}]
`;
const route = (name: string, gateways = 'edge'): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: ['*']
  gateways: [${gateways}]
  http:
  - {match: [{uri: {exact: /direct}}], directResponse: {status: 200, body: {string: ${name}}}}
  - {route: [{destination: {host: up.test, port: {number: 80}}}]}
`;

before(async () => {
  authority = await webAuthority();
  const app = await startApp((request, response) => {
    seen = request.headers;
    response.end(`${request.url}`);
  });
  edge = await startDataPlane({ role: 'gateway', yaml: [serviceEntry('up.test', app.port)] });
  port = edge.ports.gateway;
  closers.push(app.close, edge.close);
});

after(async () => {
  for (const close of closers) await close();
});

async function credential(name: string, ...hosts: string[]): Promise<void> {
  edge.plane.setCredential(`kubernetes://${name}`, { ...NO_CREDENTIAL, ...(await authority.issue(hosts)) });
}

beforeEach(async () => {
  await credential('a', 'a.test');
  await credential('b', 'b.test');
  edge.apply(
    gateway(
      `${server('a.test', 'mode: SIMPLE, credentialName: a')}, ${server("'*.b.test'", 'mode: SIMPLE, credentialName: b', 'b')}`,
    ),
  );
  edge.apply(route('all'));
  seen = {};
});

test('requests come out of TLS with https as their scheme, and by what the client asks for', async () => {
  const told = await overTls({ port, ca: authority.ca, ALPNProtocols: ['http/1.1'] });
  assert.equal(told.status, 200, told.text);
  assert.deepEqual([told.protocol, told.alpn, told.subject], ['TLSv1.3', 'http/1.1', 'CN=a.test']);
  assert.equal(seen['x-forwarded-proto'], 'https');
  assert.equal(seen['x-forwarded-client-cert'], undefined);
  const other = await overTls({ port, ca: authority.ca, servername: 'x.y.b.test', host: 'x.y.b.test' });
  assert.deepEqual([other.status, other.subject], [200, 'CN=b.test']);
});

test('what a client says of certificates is nobody’s word', async () => {
  const send =
    'GET / HTTP/1.1\r\nHost: a.test\r\nx-forwarded-client-cert: By=a;URI=b\r\nx-forwarded-proto: http\r\nConnection: close\r\n\r\n';
  assert.equal((await overTls({ port, ca: authority.ca, send })).status, 200);
  assert.deepEqual([seen['x-forwarded-client-cert'], seen['x-forwarded-proto']], [undefined, 'https']);
});

test('HTTP/2 is spoken where ALPN says so', async () => {
  const client = connectHttp2(`https://127.0.0.1:${port}`, { ca: authority.ca, servername: 'a.test' });
  closers.push(() => client.destroy());
  const stream = client.request({ ':path': '/two', ':authority': 'a.test' });
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
  assert.equal(text, '/two');
  assert.equal(client.alpnProtocol, 'h2');
  assert.equal(seen['x-forwarded-proto'], 'https');
  client.destroy();
});

test('who has agreed on HTTP/2 in the handshake and speaks something else is told to go in its frames', async () => {
  for (const send of ['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', 'INVALID CONNECTION PREFACE\r\n\r\n', 'x']) {
    const told = await overTls({ port, ca: authority.ca, ALPNProtocols: ['h2'], send });
    assert.equal(told.alpn, 'h2');
    // SETTINGS, and GOAWAY with PROTOCOL_ERROR.
    const hex = Buffer.from(told.text, 'latin1').toString('hex');
    assert.match(hex, /^0000..040000000000.*0000080700000000000000000000000001$/);
  }
  assert.deepEqual(seen, {});
});

test('who asks for a name that no server has, or for none, is closed before any certificate is shown', async () => {
  for (const servername of ['c.test', 'b.test', '']) {
    const told = await overTls({ port, ca: authority.ca, servername });
    assert.match(told.text, /^(error|closed)/);
    assert.equal(told.subject, '');
  }
  assert.ok(edge.logs.some((line) => /no server here is for the name/.test(line)));
});

test('a request for a host of another server is misdirected, and one for nobody’s is not found', async () => {
  assert.equal((await overTls({ port, ca: authority.ca, host: 'x.b.test' })).status, 421);
  assert.equal((await overTls({ port, ca: authority.ca, host: 'c.test' })).status, 404);
  assert.equal((await overTls({ port, ca: authority.ca, host: 'A.test.' })).status, 200);
});

test('a name is the server’s that names it best, and so are its routes', async () => {
  edge.apply(gateway(server("'*'", 'mode: SIMPLE, credentialName: b'), 'any'), route('any', 'any'));
  const ask = (servername: string, host: string) =>
    overTls({
      port,
      ca: authority.ca,
      servername,
      send: `GET /direct HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    });
  assert.match((await ask('a.test', 'a.test')).text, /all$/);
  assert.match((await ask('c.test', 'c.test')).text, /any$/);
  assert.equal((await ask('c.test', 'a.test')).status, 421);
  edge.apply(gateway(server('c.test', 'mode: SIMPLE, credentialName: b'), 'any'));
});

test('a new certificate is shown to who comes next, and connections that are there stay', async () => {
  const client = connectHttp2(`https://127.0.0.1:${port}`, { ca: authority.ca, servername: 'a.test' });
  await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
  await credential('a', 'a.test', 'new.test');
  const told = await overTls({ port, ca: authority.ca });
  assert.equal(told.status, 200);
  const stream = client.request({ ':path': '/after', ':authority': 'a.test' });
  const [headers] = await new Promise<[{ ':status'?: number }]>((resolve) =>
    stream.once('response', (head) => resolve([head])),
  );
  assert.equal(headers[':status'], 200);
  client.destroy();
});

test('a server without its certificate takes no handshake, and the others do', async () => {
  edge.plane.setCredential('kubernetes://a', null);
  assert.match((await overTls({ port, ca: authority.ca })).text, /^(error|closed)/);
  assert.equal((await overTls({ port, ca: authority.ca, servername: 'x.b.test', host: 'x.b.test' })).status, 200);
  assert.ok(
    edge.logs.some((line) =>
      /Gateway default\/edge, server 0 takes no handshake: its certificate kubernetes:\/\/a is not there/.test(line),
    ),
  );
});

test('versions, suites and curves are those that are asked for', async () => {
  const asked = (tls: string): void =>
    void edge.apply(gateway(server('a.test', `mode: SIMPLE, credentialName: a, ${tls}`)));
  const ask = (options: object) => overTls({ port, ca: authority.ca, ...options });
  asked('maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]');
  assert.equal((await ask({})).protocol, 'TLSv1.2');
  assert.match((await ask({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).text, /^error/);
  asked('minProtocolVersion: TLSV1_3');
  assert.match((await ask({ maxVersion: 'TLSv1.2' })).text, /^error/);
  assert.equal((await ask({})).protocol, 'TLSv1.3');
  asked('ecdhCurves: [P-384]');
  assert.match((await ask({ ecdhCurve: 'X25519' })).text, /^error/);
  assert.equal((await ask({ ecdhCurve: 'P-384' })).status, 200);
  asked('minProtocolVersion: TLSV1_2');
  assert.equal((await ask({ ecdhCurve: 'X25519MLKEM768' })).status, 200);
});

test('MeshConfig says it for servers that do not', async () => {
  const mesh = (spec: string): void =>
    void edge.apply(`{apiVersion: weft.dev/v1, kind: MeshConfig, metadata: {name: default}, spec: {${spec}}}`);
  const ask = (options: object) => overTls({ port, ca: authority.ca, ...options });
  edge.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a')));
  mesh('tlsDefaults: {minProtocolVersion: TLSV1_3}');
  assert.match((await ask({ maxVersion: 'TLSv1.2' })).text, /^error/);
  assert.equal((await ask({})).protocol, 'TLSv1.3');
  edge.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a, maxProtocolVersion: TLSV1_2')));
  assert.equal((await ask({})).protocol, 'TLSv1.2', 'what the server says itself goes before it');
  edge.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a')));
  mesh('tlsDefaults: {cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdhCurves: [P-384]}');
  assert.match((await ask({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).text, /^error/);
  assert.match((await ask({ ecdhCurve: 'X25519' })).text, /^error/);
  assert.equal((await ask({ ecdhCurve: 'P-384' })).status, 200);
  edge.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a, ecdhCurves: [X25519]')));
  assert.equal((await ask({ ecdhCurve: 'X25519' })).status, 200);
  // That of workloads is not for servers of others.
  edge.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a')));
  mesh('meshMTLS: {minProtocolVersion: TLSV1_3}');
  assert.equal((await ask({ maxVersion: 'TLSv1.2' })).status, 200);
  mesh('');
});

test('a session is resumed, and by no other server', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await overTls({ port, ca: authority.ca, maxVersion });
    assert.ok(first.session !== null);
    const again = { port, ca: authority.ca, maxVersion, session: first.session };
    assert.equal((await overTls(again)).resumed, true);
    assert.equal((await overTls({ ...again, servername: 'x.b.test', host: 'x.b.test' })).resumed, false);
    await credential('a', 'a.test');
    assert.equal((await overTls(again)).resumed, false, 'the certificate is another one');
  }
});

test('plain text is refused where TLS is asked for, and so is half a hello that stalls', async () => {
  const hasty = await startDataPlane({ role: 'gateway', handshakeTimeoutMs: 300 });
  closers.push(hasty.close);
  hasty.apply(gateway(server('a.test', 'mode: SIMPLE, credentialName: a')));
  hasty.plane.setCredential('kubernetes://a', { ...NO_CREDENTIAL, ...(await authority.issue(['a.test'])) });
  const whole = await helloOf();
  for (const bytes of ['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', whole.subarray(0, 100), '']) {
    assert.equal(await exchangeBytes(hasty.ports.gateway, bytes), '');
  }
  // It answers, and is not waited for any longer.
  assert.notEqual(await exchangeBytes(hasty.ports.gateway, whole), '');
});

test('a hello in pieces of a byte is read', async () => {
  const whole = await helloOf();
  const socket = connectTcp(port, '127.0.0.1');
  socket.setNoDelay(true);
  const answered = new Promise<Buffer>((resolve, reject) => socket.once('data', resolve).once('error', reject));
  for (const byte of whole) {
    socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  // A record with a handshake: the server's hello.
  assert.equal((await answered)[0], 0x16);
  socket.destroy();
});
