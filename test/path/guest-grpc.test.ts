import assert from 'node:assert/strict';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';

import { fixtureFilter } from '../filters/fixture.ts';
import { until } from '../until.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { edgeTo } from './edge.ts';

const LIMITER = 'limiter.default.svc.cluster.local';
const server = createServer();
const sessions = new Set<ServerHttp2Session>();
const watches: ServerHttp2Stream[] = [];
let gateway: RunningDataPlane;
let closeApp: () => unknown;

/** A service of two methods: Check answers or refuses what it is sent, Watch says of each message that it has seen it. */
function limiter(stream: ServerHttp2Stream, path: string, tenant: string): void {
  const chunks: Buffer[] = [];
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  const message = (text: string) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(text.length, 1);
    return Buffer.concat([prefix, Buffer.from(text)]);
  };
  stream.on('error', () => undefined);
  if (path === '/test.Limiter/Watch') {
    watches.push(stream);
    stream.respond({ ...head, 'x-tenant': `in front of ${tenant}` }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'goodbye', 'x-tenant': `behind ${tenant}` }),
    );
    stream.on('data', (chunk: Buffer) => stream.write(message(`seen ${chunk.subarray(5)}`)));
    stream.on('end', () => stream.end());
    return;
  }
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    const asked = Buffer.concat(chunks).subarray(5).toString();
    if (asked === '/denied') {
      stream.respond({ ...head, 'grpc-status': '7', 'grpc-message': 'not you' }, { endStream: true });
      return;
    }
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message(`${path} ${asked}`));
  });
}

before(async () => {
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => session.destroy());
  });
  server.on('stream', (stream, headers) => limiter(stream, `${headers[':path']}`, `${headers['x-tenant']}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const app = await startApp((request, response) => response.end(`app saw ${request.headers['x-verdict']}`));
  closeApp = app.close;
  const policy = `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everything }
spec: { rules: [{}] }`;
  gateway = await startDataPlane({
    role: 'gateway',
    modules: { rbac: await fixtureFilter('fixtures/asks-grpc.ts') },
    yaml: [
      serviceEntry('app.example', app.port),
      serviceEntry(LIMITER, (server.address() as AddressInfo).port),
      `${edgeTo('app.example')}${policy}`,
    ],
  });
});

after(async () => {
  gateway.close();
  for (const session of sessions) session.destroy();
  server.close();
  await closeApp();
});

const get = (path: string): Promise<string> =>
  exchangeBytes(gateway.ports.gateway, `GET ${path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n`);
const said = (text: string) =>
  until(`the guest said "${text}"`, () => gateway.logs.some((line) => line.includes(text)));

test('a filter calls a method of a service over gRPC, and passes the answer on', async () => {
  for (const path of ['/a', '/b']) {
    assert.match(await get(path), new RegExp(`^HTTP/1.1 200 OK.*app saw /test.Limiter/Check ${path}$`, 's'));
  }
});

test('a status that is not OK reaches the client that the filter refuses', async () => {
  assert.match(await get('/denied'), /^HTTP\/1.1 403 .*not you$/s);
});

test('a stream of a filter carries messages both ways for as long as it likes, and its end with what was said of it', async () => {
  await get('/one');
  await get('/two');
  for (const text of ['in front of acme', 'seen /one', 'seen /two']) await said(text);
  await get('/quit');
  for (const text of ['behind acme', 'goodbye']) await said(text);
});
