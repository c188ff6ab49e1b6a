// WebSockets through the chain: from a gateway to an application, and between two sidecars with certificates, as bytes in both directions.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.43.4.1';
const SERVER = '127.43.4.2';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const closers: (() => unknown)[] = [];
const requests: string[] = [];
const keys: string[] = [];
let open = 0;
let gateway: RunningDataPlane;
let caller: RunningDataPlane;
let server: RunningDataPlane;

const app = await startApp((incoming, response) => {
  requests.push(incoming.url!);
  response.end(`${incoming.url} ${incoming.headers.upgrade ?? 'nothing'}`);
});
app.server.on('upgrade', (incoming, socket: Socket) => {
  requests.push(`${incoming.url} ${incoming.headers.upgrade}`);
  keys.push(incoming.headers['sec-websocket-key'] ?? '');
  if (incoming.url === '/denied') {
    socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\ndenied');
    return;
  }
  const other = incoming.url === '/other' ? 'chat' : 'websocket';
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${other}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
  );
  if (incoming.url === '/goodbye') {
    socket.end('bye');
    return;
  }
  open++;
  socket.on('close', () => open--);
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => socket.write(chunk.toString('latin1').toUpperCase(), 'latin1'));
  // What it says last comes after what it has heard last.
  socket.on('end', () => socket.end('end'));
});

before(async () => {
  const authority = await testAuthority();
  gateway = await startDataPlane({
    role: 'gateway',
    yaml: [
      serviceEntry('app.example', app.port),
      `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ['*'] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{ timeout: 0.2s, route: [{ destination: { host: app.example } }] }]
`,
    ],
  });
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: app.port },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'productpage' }, serviceAccount: 'bookinfo-productpage' },
  });
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
  for (const { told } of [server, caller]) {
    told([workload('productpage', CALLER, 0, []), workload('details', SERVER, server.ports.inbound, ['details'])]);
  }
  closers.push(authority.close, gateway.close, server.close, caller.close, app.close);
});

after(async () => {
  for (const close of closers) await close();
});

const offer = (path: string, host = 'app.example', upgrade = 'websocket'): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${upgrade}\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;

/** A client that has sent this, and what it got. */
function client(plane: RunningDataPlane, port: number, first: string) {
  const peer = {
    got: '',
    ended: false,
    closed: false,
    socket: connect({ port, host: plane.address, allowHalfOpen: true }),
  };
  peer.socket.on('data', (chunk) => {
    peer.got += chunk.toString('latin1');
  });
  peer.socket.on('end', () => {
    peer.ended = true;
  });
  peer.socket.on('close', () => {
    peer.closed = true;
  });
  peer.socket.on('error', () => undefined);
  peer.socket.write(first);
  return peer;
}

for (const [way, to] of [
  ['through a gateway', () => ({ plane: gateway, port: gateway.ports.gateway, host: 'app.example' })],
  ['between sidecars with certificates', () => ({ plane: caller, port: caller.ports.outbound, host: 'details' })],
] as const) {
  test(`a WebSocket ${way} carries what both sides say until both have said all`, async () => {
    const { plane, port, host } = to();
    const before = plane.records.length;
    const peer = client(plane, port, offer('/chat', host));
    await until('it is upgraded', () => peer.got.includes('\r\n\r\n'));
    assert.match(peer.got, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(peer.got, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
    assert.ok(peer.got.includes(`Sec-WebSocket-Accept: ${ACCEPT}`));
    assert.doesNotMatch(peer.got, /Content-Length|Transfer-Encoding/i);
    peer.got = '';
    peer.socket.write('hello\r\n\r\n');
    await until('it is answered', () => peer.got === 'HELLO\r\n\r\n');
    peer.socket.end('x'.repeat(100_000));
    await until('it is over', () => peer.ended);
    assert.equal(peer.got.length, 9 + 100_000 + (way === 'through a gateway' ? 3 : peer.got.endsWith('end') ? 3 : 0));
    await plane.ended(before + 1);
    const { code, flags, sent, received } = plane.records[before];
    assert.deepEqual([code, flagNames(flags), received], [101, '-', 100_009]);
    assert.ok(sent >= 100_009);
    await until('the application is left', () => open === 0);
    peer.socket.destroy();
  });

  test(`who leaves a WebSocket ${way} has left it for the application, too`, async () => {
    const { plane, port, host } = to();
    const peer = client(plane, port, offer('/chat', host));
    await until('it is upgraded', () => peer.got.includes('\r\n\r\n') && open === 1);
    peer.socket.resetAndDestroy();
    await until('the application is left', () => open === 0);
  });
}

test('a client of HTTP/2 begins one by an extended CONNECT, and the application hears of nothing but HTTP/1.1', async () => {
  const session = connectHttp2(`http://127.0.0.1:${gateway.ports.gateway}`);
  const begin = (path: string, protocol = 'websocket') =>
    session.request({
      ...{ ':method': 'CONNECT', ':protocol': protocol, ':path': path, ':scheme': 'http' },
      ...{ ':authority': 'app.example', 'sec-websocket-version': '13' },
    });
  try {
    await until('it may', () => session.remoteSettings?.enableConnectProtocol === true);
    const stream = begin('/chat');
    let got = '';
    stream.on('data', (chunk) => {
      got += chunk;
    });
    // Sent before anybody has agreed: it waits.
    stream.write('hello');
    const [head] = await once(stream, 'response');
    assert.deepEqual([head[':status'], head['sec-websocket-accept'], head.upgrade], [200, undefined, undefined]);
    await until('it is answered', () => got === 'HELLO');
    stream.end('bye');
    await once(stream, 'end');
    assert.equal(got, 'HELLOBYEend');
    assert.ok(requests.includes('/chat websocket'));
    assert.match(keys.at(-1)!, /^[A-Za-z0-9+/]{22}==$/);
    await until('the application is left', () => open === 0);

    requests.length = 0;
    const denied = begin('/denied');
    denied.write('GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n');
    assert.equal((await once(denied, 'response'))[0][':status'], 401);
    denied.close();
    assert.equal((await once(begin('/chat', 'other'), 'response'))[0][':status'], 403);
    assert.deepEqual(requests, ['/denied websocket']);
  } finally {
    session.destroy();
  }
});

test('what comes with the offer waits for the answer, and reaches nobody who refuses it', async () => {
  const peer = client(gateway, gateway.ports.gateway, `${offer('/chat')}early`);
  await until('it is answered', () => peer.got.endsWith('EARLY'));
  peer.socket.destroy();
  requests.length = 0;
  const smuggled = `${offer('/denied')}GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n`;
  const answer = await exchangeBytes(gateway.ports.gateway, smuggled);
  assert.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n[\s\S]*Connection: close\r\n[\s\S]*\r\n\r\ndenied$/);
  assert.deepEqual(requests, ['/denied websocket']);
});

test('an application that says its last ends it', async () => {
  const answer = await exchangeBytes(gateway.ports.gateway, offer('/goodbye'));
  assert.match(answer, /^HTTP\/1\.1 101 [\s\S]*\r\n\r\nbye$/);
});

test('who changes to something else than was asked for is no upstream', async () => {
  assert.match(await exchangeBytes(gateway.ports.gateway, offer('/other'), 'protocol error'), /^HTTP\/1\.1 502 /);
});

test('an offer of something else, or beside a body, is ignored', async () => {
  const wire = [
    offer('/h2c', 'app.example', 'h2c, TLS/1.2'),
    offer('/body').replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nab'),
    'GET /last HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n',
  ];
  const answer = await exchangeBytes(gateway.ports.gateway, wire.join(''));
  assert.deepEqual(answer.match(/\/\w+ nothing/g), ['/h2c nothing', '/body nothing', '/last nothing']);
});

test('a WebSocket nobody is there for is answered, and so is one without a route', async () => {
  const answer = await exchangeBytes(caller.ports.outbound, offer('/', '127.0.0.1:1'), undefined, CALLER);
  assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*Connection: close/);
});

test('a time-out of the route does not end it', async () => {
  const peer = client(gateway, gateway.ports.gateway, offer('/chat'));
  await until('it is upgraded', () => peer.got.includes('\r\n\r\n'));
  await new Promise((resolve) => setTimeout(resolve, 600));
  peer.socket.write('still');
  await until('it is answered', () => peer.got.endsWith('STILL'));
  peer.socket.destroy();
});
