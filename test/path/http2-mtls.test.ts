// HTTP/2 and gRPC between two sidecars with certificates: what test/path/http2.test.ts asks of one proxy, of a whole way.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { ask, type Http2App, startHttp2App } from './http2-app.ts';
import { testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.43.5.1';
const SERVER = '127.43.5.2';

let app: Http2App;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let client: ClientHttp2Session;
const seen: string[] = [];
const closers: (() => unknown)[] = [];

before(async () => {
  const authority = await testAuthority();
  app = await startHttp2App();
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: app.port },
    sink: { exchangeEnded: ({ protocol, connection }) => seen.push(`${protocol} ${connection.tls?.alpn}`) },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'productpage' }, serviceAccount: 'bookinfo-productpage' },
  });
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
  for (const { told } of [server, caller]) {
    told([workload('productpage', CALLER, 0, []), workload('details', SERVER, server.ports.inbound, ['details'])]);
  }
  client = connect(`http://${CALLER}:${caller.ports.outbound}`);
  closers.push(() => client.destroy(), authority.close, server.close, caller.close, app.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  seen.length = 0;
});

const rpc = (path: string): Record<string, string> => ({
  ':method': 'POST',
  ':path': path,
  ':authority': 'details',
  'content-type': 'application/grpc',
  te: 'trailers',
});

test('a call is HTTP/2 all the way, agreed on in the handshake', async () => {
  const { status, body, trailers } = await ask(client, rpc('/echo'), Buffer.from('message'));
  assert.deepEqual([status, body, trailers['grpc-status']], [200, 'message', '0']);
  await until('it has ended', () => seen.length === 1);
  assert.deepEqual(seen, ['HTTP/2 istio-h2']);
  const only = await ask(client, rpc('/trailers-only'), Buffer.from('message'));
  assert.deepEqual([only.status, only.headers['grpc-status'], only.body], [200, '5', '']);
});

test('calls beside each other share one connection to the application', async () => {
  const before = app.sessions;
  const bodies = Array.from({ length: 40 }, (_, i) => `message ${i}`);
  const answers = await Promise.all(bodies.map((body) => ask(client, rpc('/echo'), Buffer.from(body))));
  assert.deepEqual(
    answers.map(({ body, trailers }) => [body, trailers['grpc-status']]),
    bodies.map((body) => [body, '0']),
  );
  assert.ok(app.sessions - before <= 1);
});

test('messages go back and forth on a stream, and 1 MB each way', async () => {
  const stream = client.request(rpc('/echo'));
  stream.setEncoding('latin1');
  for (const message of ['one', 'two', 'three']) {
    const back = once(stream, 'data');
    stream.write(message);
    assert.deepEqual(await back, [message]);
  }
  let bytes = 0;
  stream.on('data', (piece: string) => {
    bytes += piece.length;
  });
  stream.end(Buffer.alloc(1_000_000));
  assert.equal((await once(stream, 'trailers'))[0]['grpc-status'], '0');
  await until('all is there', () => bytes === 1_000_000);
});

test('a stream that nobody reads keeps no other waiting', async () => {
  const slow = client.request(rpc('/echo'));
  slow.on('error', () => undefined);
  slow.pause();
  slow.write(Buffer.alloc(4_000_000));
  await app.arrived('/echo');
  for (let i = 0; i < 10; i++) {
    assert.equal((await ask(client, rpc('/echo'), Buffer.from('x'))).trailers['grpc-status'], '0');
  }
  slow.close(constants.NGHTTP2_CANCEL);
});

test('a call that the client gives up is given up at the server', async () => {
  const stream = client.request(rpc('/silent'));
  const there = await app.arrived('/silent');
  const gone = new Promise<number>((resolve) => there.once('close', () => resolve(there.rstCode)));
  stream.close(constants.NGHTTP2_CANCEL);
  assert.equal(await gone, constants.NGHTTP2_CANCEL);
});

test('an application that goes in the middle of it: each call has its own end', async () => {
  const started = client.request(rpc('/echo'));
  started.on('error', () => undefined);
  started.write('half');
  await once(started, 'data');
  const waiting = ask(client, rpc('/silent'), Buffer.alloc(5));
  const there = await app.arrived('/silent');
  const count = caller.records.length;
  there.session!.destroy();
  const { status, headers } = await waiting;
  assert.deepEqual([status, headers['grpc-status']], [200, '14']);
  await closed(started);
  assert.notEqual(started.rstCode, constants.NGHTTP2_NO_ERROR);
  await caller.ended(count + 2);
  const ends = caller.records.slice(count).map(({ code, flags }) => `${code} ${flagNames(flags)}`);
  assert.deepEqual(ends.sort(), ['200 -', '200 UC']);
  assert.equal((await ask(client, rpc('/echo'), Buffer.from('again'))).body, 'again');
});

function closed(stream: ClientHttp2Stream): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', () => resolve()));
}
