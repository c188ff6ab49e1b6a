// A gateway behind a proxy that speaks the PROXY protocol: requests and connections are the client's whom its header names, to policies,
// applications and the log, and what begins with none is refused.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { decodeYaml } from '../../core/config/decode.ts';
import { unenforced } from '../../core/config/unenforced.ts';
import type { TlsFacts } from '../../core/transport/transport.ts';
import { binaryHeader } from '../fuzz/proxy-header.ts';
import { until } from '../until.ts';
import { webAuthority } from '../web-certificates.ts';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane, startTcp } from './data-plane.ts';
import { edgeTo } from './edge.ts';
import { NO_CREDENTIAL } from './gateway-clients.ts';

let gateway: RunningDataPlane;
let app: { port: number; close(): Promise<void> };
let echo: { port: number; close(): void };
let forwarded: string[] = [];
let ends: string[] = [];
const closers: (() => unknown)[] = [];

const mesh = (topology: string) => `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { defaultConfig: { gatewayTopology: ${topology} } }`;

const V1 = 'PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n';
const V2 = binaryHeader(0x11, Buffer.from([192, 0, 2, 1, 192, 0, 2, 9, 0xdc, 4, 1, 0xbb]));
const LOCAL = binaryHeader(0, Buffer.alloc(0), 0x20);
const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n';

before(async () => {
  app = await startApp((request, response) => {
    forwarded.push(String(request.headers['x-forwarded-for']));
    response.end('hello');
  });
  echo = await startTcp((socket) => socket.pipe(socket));
  const note = ({ connection: { remoteAddress, remotePort } }: { connection: Ends }): void => {
    ends.push(`${remoteAddress}:${remotePort}`);
  };
  gateway = await startDataPlane({ role: 'gateway', sink: { exchangeEnded: note, connectionEnded: note } });
  closers.push(app.close, echo.close, gateway.close);
});

interface Ends {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly tls: TlsFacts | null;
}

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  gateway.unconfigure();
  gateway.apply(edgeTo('app.test'), serviceEntry('app.test', app.port), mesh('{ proxyProtocol: {} }'));
  gateway.logs.length = 0;
  forwarded = [];
  ends = [];
});

/** All that comes back until the end. */
async function send(...pieces: (string | Buffer)[]): Promise<string> {
  const socket: Socket = connect(gateway.ports.gateway, '127.0.0.1');
  closers.push(() => socket.destroy());
  let heard = '';
  let over = false;
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (over = true));
  for (const piece of pieces) {
    socket.write(piece as string, 'latin1');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until('the end', () => over);
  socket.destroy();
  return heard;
}

test('requests are of the client that a header names, in either version, at once or in pieces', async () => {
  for (const header of [Buffer.from(V1), V2]) {
    for (const pieces of [
      [Buffer.concat([header, Buffer.from(GET)])],
      [header, GET],
      [header.subarray(0, 9), header.subarray(9), GET.slice(0, 20), GET.slice(20)],
    ]) {
      assert.match(await send(...pieces), /^HTTP\/1\.1 200 .*hello$/s);
    }
  }
  assert.deepEqual(forwarded, new Array(6).fill('192.0.2.1'));
  assert.deepEqual(ends, new Array(6).fill('192.0.2.1:56324'));
});

test('a proxy that speaks for itself is itself', async () => {
  for (const header of [LOCAL, 'PROXY UNKNOWN\r\n']) assert.match(await send(header, GET), /^HTTP\/1\.1 200 /);
  assert.deepEqual(forwarded, ['127.0.0.1', '127.0.0.1']);
});

test('what begins with no header is closed without an answer, and it is told why', async () => {
  for (const bytes of [
    GET,
    'PROXY TCP4 192.0.2.1\r\n',
    binaryHeader(0x31, Buffer.alloc(216)),
    `PROXY ${'a'.repeat(200)}`,
  ]) {
    assert.equal(await send(bytes), '');
  }
  assert.equal(forwarded.length, 0);
  assert.equal(gateway.logs.filter((line) => /begins with no header of the PROXY protocol/.test(line)).length, 1);
  const [listener] = gateway.plane.dump('listeners') as { proxyRefused: number }[];
  assert.equal(listener.proxyRefused, 4);
  gateway.apply(mesh('{}'));
  assert.match(await send(GET), /^HTTP\/1\.1 200 /);
  assert.match(await send(V1, GET), /^HTTP\/1\.1 400 /);
});

test('policies ask for the address that the header names, and nobody becomes a workload by it', async () => {
  const policy = (source: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: edge }
spec: { rules: [{ from: [{ source: ${source} }] }] }`;
  for (const source of ['{ remoteIpBlocks: [192.0.2.0/24] }', '{ ipBlocks: [192.0.2.1] }']) {
    gateway.apply(policy(source));
    assert.match(await send(V1, GET), /^HTTP\/1\.1 200 /, source);
    assert.match(await send(V1.replace('192.0.2.1', '198.51.100.1'), GET), /^HTTP\/1\.1 403 /, source);
    assert.match(await send(LOCAL, GET), /^HTTP\/1\.1 403 /, source);
  }
  const name = { name: 'a-1', workload: 'a', namespace: 'default', serviceAccount: 'a', trustDomain: 'cluster.local' };
  const place = { services: [], address: '127.46.0.1', port: 1, appPort: 1, weight: 1, locality: '', labels: {} };
  gateway.told([{ id: 'a', ...name, ...place }]);
  gateway.apply(policy('{ principals: ["*"] }'));
  assert.match(await send(V1.replace('192.0.2.1', '127.46.0.1'), GET), /^HTTP\/1\.1 403 /);
});

test('connections that are carried as bytes have it, too', async () => {
  gateway.unconfigure();
  const tcp = (yaml: string) => yaml.replace('protocol: HTTP', 'protocol: TCP').replace('http: [{', 'tcp: [{');
  gateway.apply(tcp(edgeTo('app.test')), tcp(serviceEntry('app.test', echo.port)), mesh('{ proxyProtocol: {} }'));
  const socket = connect(gateway.ports.gateway, '127.0.0.1');
  closers.push(() => socket.destroy());
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  socket.write(Buffer.concat([V2, Buffer.from('ping')]));
  await until('the echo', () => heard === 'ping');
  socket.destroy();
  await until('the line', () => ends.length === 1);
  assert.deepEqual(ends, ['192.0.2.1:56324']);
});

test('TLS comes after the header', async () => {
  const authority = await webAuthority();
  gateway.plane.setCredential('kubernetes://edge', { ...NO_CREDENTIAL, ...(await authority.issue(['app.test'])) });
  gateway.apply(
    edgeTo('app.test').replace(
      /servers: .*/,
      "servers: [{ port: { number: 8080, name: https, protocol: HTTPS }, hosts: ['*'], tls: { mode: SIMPLE, credentialName: edge } }] }",
    ),
  );
  const socket = connect(gateway.ports.gateway, '127.0.0.1');
  socket.write(V1);
  const tls = connectTls({ socket, servername: 'app.test', rejectUnauthorized: false });
  closers.push(() => tls.destroy());
  let heard = '';
  tls.on('data', (chunk) => {
    heard += chunk;
  });
  tls.write(GET);
  await until('an answer', () => heard.includes('hello'));
  assert.deepEqual(forwarded, ['192.0.2.1']);
});

test('what is no topology is refused, and what of it is not enforced is told', () => {
  const problems = (spec: string) =>
    decodeYaml(mesh(spec)).problems.map(({ severity, pointer }) => `${severity} ${pointer}`);
  assert.deepEqual(problems('{ proxyProtocol: {} }'), []);
  assert.deepEqual(problems('{ proxyProtocol: { a: 1 } }'), [
    'error /spec/defaultConfig/gatewayTopology/proxyProtocol/a',
  ]);
  assert.deepEqual(problems('{ proxyProtocol: yes please }'), [
    'error /spec/defaultConfig/gatewayTopology/proxyProtocol',
  ]);
  assert.deepEqual(problems('[]'), ['error /spec/defaultConfig/gatewayTopology']);
  const told = (spec: string) =>
    decodeYaml(mesh(spec))
      .resources.flatMap(unenforced)
      .map(({ message }) => message);
  assert.deepEqual(told('{ proxyProtocol: {} }'), []);
  assert.match(
    told('{ numTrustedProxies: 1, proxyProtocol: {} }').join(),
    /defaultConfig\.gatewayTopology\.numTrustedProxies/,
  );
});
