// https that an application speaks itself: CONNECT to the sidecar's outbound port, TLS in the tunnel.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ATTRIBUTES } from '../../core/attributes.ts';
import { flagNames } from '../../core/errors.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { type PublicAuthority, pemFolder, publicAuthority } from '../control/authority/public-authority.ts';
import { until } from '../until.ts';
import { exchangeBytes, type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';

let trusted: PublicAuthority;
let open: RunningDataPlane;
let closed: RunningDataPlane;
let port = 0;
let seen: { url: string; name: string } | null = null;
/** Of the connections that were carried. */
const carried: Record<string, unknown>[] = [];
const closers: (() => unknown)[] = [];

const entry = (extra = ''): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up }
spec:
  hosts: [up.example]
  ports:
  - { number: 443, name: tls, protocol: TLS, targetPort: ${port} }
  - { number: 80, name: http, protocol: HTTP, targetPort: ${port} }
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
${extra}`;

function told(record: ExchangeRecord): void {
  carried.push({
    flags: flagNames(record.flags),
    cluster: record.clusterName,
    host: record.upstreamHost,
    serverName: ATTRIBUTES['connection.requested_server_name'].read(record),
    service: record.destinationService,
    received: record.bytesReceived > 0,
    sent: record.bytesSent > 0,
  });
}

before(async () => {
  trusted = await publicAuthority();
  const server = createServer(await trusted.issue([{ type: 'dns', value: 'up.example' }]), (request, response) => {
    seen = { url: request.url!, name: String((request.socket as TLSSocket).servername) };
    response.setHeader('connection', 'close');
    if (request.method === 'POST') request.pipe(response);
    else response.end('over https');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const sink = { connectionEnded: told };
  open = await startDataPlane({ sink });
  closed = await startDataPlane({ sink, outboundPolicy: 'REGISTRY_ONLY', yaml: [entry()] });
  closers.push(open.close, closed.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  seen = null;
  carried.length = 0;
});

/** A connection whose CONNECT was answered; what else came. */
async function tunnel(mesh: RunningDataPlane, authority: string): Promise<{ socket: Socket; answer: string }> {
  const socket = connect(mesh.ports.outbound, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  let answer = '';
  while (!answer.includes('\r\n\r\n')) answer += String((await once(socket, 'data'))[0]);
  return { socket, answer };
}

/** What https over the tunnel gives; why it does not. */
async function ask(mesh: RunningDataPlane, authority: string, servername = 'up.example', body = ''): Promise<string> {
  const { socket, answer } = await tunnel(mesh, authority);
  if (!answer.startsWith('HTTP/1.1 200 ')) return answer;
  const tls = connectTls({ socket, servername, ca: trusted.root, checkServerIdentity: () => undefined });
  const { promise, resolve } = Promise.withResolvers<string>();
  let got = '';
  tls.on('data', (chunk) => {
    got += chunk;
  });
  tls.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`));
  tls.on('close', () => resolve(got));
  const head = body === '' ? 'GET' : 'POST';
  tls.write(`${head} /a HTTP/1.1\r\nHost: up.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return promise;
}

test('TLS in a tunnel is carried as it is, to hosts that the mesh does not know, too', async () => {
  assert.match(await ask(open, `127.0.0.1:${port}`), /^HTTP\/1\.1 200 [\s\S]*over https/);
  assert.deepEqual(seen, { url: '/a', name: 'up.example' });
  await until('a connection is told of', () => carried.length === 1);
  assert.deepEqual(carried[0], {
    ...{ flags: '-', cluster: 'PassthroughCluster', host: `127.0.0.1:${port}`, serverName: 'up.example' },
    ...{ service: '127.0.0.1', received: true, sent: true },
  });
});

test('a service of the registry is reached by its name, whatever rules of HTTP say of the host', async () => {
  closed.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: up }
spec: { hosts: [up.example], http: [{ route: [{ destination: { host: up.example, port: { number: 80 } } }] }] }`);
  assert.match(await ask(closed, 'up.example:443'), /^HTTP\/1\.1 200 [\s\S]*over https/);
  await until('a connection is told of', () => carried.length === 1);
  const { flags, cluster, service } = carried[0];
  assert.deepEqual([flags, cluster, service], ['-', 'outbound|443||up.example', 'up.example']);
});

test('where a registry alone names hosts, others are refused: to CONNECT, and in what comes through it', async () => {
  for (const authority of ['other.example:443', `127.0.0.1:${port}`]) {
    assert.match(await ask(closed, authority), /^HTTP\/1\.1 502 [\s\S]*this host is not in the registry$/);
  }
  assert.match(await ask(closed, 'up.example:443', 'other.example'), /^error /);
  await until('a connection is told of', () => carried.length === 1);
  const { flags, cluster, serverName } = carried[0];
  assert.deepEqual([flags, cluster, serverName], ['NC', 'BlackHoleCluster', 'other.example']);
  assert.equal(seen, null);
});

test('a large body goes both ways', async () => {
  const body = 'x'.repeat(1 << 20);
  const got = await ask(open, `127.0.0.1:${port}`, 'up.example', body);
  assert.ok(got.length > body.length, `${got.length} of ${body.length}`);
});

test('the hello may come with CONNECT, or in pieces', async () => {
  const hello = await helloOf();
  const to = `127.0.0.1:${port}`;
  const socket = connect(open.ports.outbound, '127.0.0.1');
  socket.write(Buffer.concat([Buffer.from(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`), hello]));
  await answered(socket);
  const { socket: slow } = await tunnel(open, to);
  slow.setNoDelay(true);
  for (const byte of hello) {
    slow.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await answered(slow);
});

/** What the server says to a hello: a record of TLS. */
async function answered(socket: Socket): Promise<void> {
  let got = Buffer.alloc(0);
  while (!got.includes(Buffer.of(22, 3, 3))) got = Buffer.concat([got, (await once(socket, 'data'))[0] as Buffer]);
  socket.destroy();
}

/** What Node's client says first. */
async function helloOf(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = await startTcp((peer) => peer.once('data', resolve));
  const client = connectTls({ host: '127.0.0.1', port: server.port, servername: 'up.example' });
  client.on('error', () => client.destroy());
  const first = await promise;
  client.destroy();
  server.close();
  return first;
}

test('what begins as TLS and is none is closed and told of, and half a hello is closed', async () => {
  const to = `127.0.0.1:${port}`;
  const { socket } = await tunnel(open, to);
  socket.write(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]));
  await once(socket, 'close');
  await until('it is told of', () => carried.some(({ flags }) => flags === 'NR'));
  const { socket: half } = await tunnel(open, to);
  half.end((await helloOf()).subarray(0, 20));
  await once(half, 'close');
  assert.equal(seen, null);
});

test('an unreachable host is told of in the log; the client sees its tunnel close', async () => {
  assert.match(await ask(open, '127.0.0.1:9'), /^error /);
  await until('a connection is told of', () => carried.length === 1);
  assert.deepEqual([carried[0].flags, carried[0].sent], ['UF,URX', false]);
});

test('bytes that a rule wants in TLS leave in TLS, or not at all', async () => {
  const file = await pemFolder();
  closers.push(file.gone);
  const roots = await file.write('roots.pem', trusted.root);
  const rule = (tls: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec: { host: up.example, trafficPolicy: { tls: ${tls} } }`;
  const request = 'GET /bytes HTTP/1.1\r\nHost: up.example\r\n\r\n';
  const mesh = await startDataPlane({
    yaml: [entry()],
    upstreams: ['up.example:443'],
    sink: { connectionEnded: told },
  });
  closers.push(mesh.close);
  const at = mesh.upstreams['up.example:443'];
  mesh.apply(rule(`{ mode: SIMPLE, caCertificates: ${roots} }`));
  assert.match(await exchangeBytes(at, request, 'over https'), /^HTTP\/1\.1 200 /);
  assert.equal(seen?.url, '/bytes');
  mesh.apply(rule('{ mode: SIMPLE, caCertificates: /nowhere/roots.pem }'));
  assert.equal(await exchangeBytes(at, request), '');
  await until('what failed is told of', () => carried.some(({ flags }) => flags === 'UF,URX'));
});

test('requests in plain text still go through a tunnel, to its authority', async () => {
  const to = `127.0.0.1:${port}`;
  const inner = 'GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n';
  const got = await exchangeBytes(open.ports.outbound, `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n${inner}`);
  // The server speaks TLS, and says so or closes.
  assert.match(got, /^HTTP\/1\.1 200 OK\r\n\r\nHTTP\/1\.1 [45]/);
});
