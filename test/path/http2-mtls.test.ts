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

test('a policy allows methods of a gRPC service to who calls them, and the others are refused in gRPC’s form', async () => {
  server.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: stock }
spec:
  selector: { matchLabels: { app: details } }
  rules:
  - from: [{ source: { principals: [cluster.local/ns/default/sa/bookinfo-productpage] } }]
    to: [{ operation: { methods: [POST], paths: [/shop.Stock/Get, '/shop.Prices/*'] } }]
  - from: [{ source: { principals: [cluster.local/ns/default/sa/bookinfo-ratings] } }]
    to: [{ operation: { paths: [/shop.Stock/Set] } }]
`);
  for (const path of ['/shop.Stock/Get', '/shop.Prices/List']) {
    const { status, headers } = await ask(client, rpc(path), Buffer.alloc(5));
    assert.deepEqual([status, headers['grpc-status']], [200, undefined], path);
  }
  for (const path of ['/shop.Stock/Set', '/shop.Stock/GetAll', '/shop.stock/Get']) {
    const { status, headers, body, trailers } = await ask(client, rpc(path), Buffer.alloc(5));
    assert.deepEqual([status, headers['content-type'], headers['grpc-status']], [200, 'application/grpc', '7'], path);
    assert.equal(headers['grpc-message'], 'RBAC: access denied');
    assert.deepEqual([body, Object.keys(trailers).length], ['', 0], 'trailers alone');
  }
  const other = await ask(client, { ...rpc('/shop.Stock/Set'), 'content-type': 'text/plain' }, Buffer.alloc(5));
  assert.deepEqual([other.status, other.headers['grpc-status']], [403, undefined]);
  server.unconfigure();
});

test('a status of HTTP that a proxy answers by itself is gRPC’s to a call', async () => {
  const cases: [number, string][] = [
    [400, '13'],
    [401, '16'],
    [403, '7'],
    [404, '12'],
    [429, '14'],
    [502, '14'],
    [503, '14'],
    [504, '14'],
    [418, '2'],
    [500, '2'],
  ];
  const matches = cases.map(
    ([status]) => `
  - match: [{ uri: { exact: /${status} } }]
    fault: { abort: { httpStatus: ${status}, percentage: { value: 100 } } }
    route: [{ destination: { host: details } }]`,
  );
  caller.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: statuses }
spec:
  hosts: [details]
  http:${matches.join('')}
  - match: [{ uri: { exact: /direct } }]
    directResponse: { status: 503, body: { string: later } }
`);
  for (const [status, expected] of cases) {
    const answer = await ask(client, rpc(`/${status}`), Buffer.alloc(5));
    assert.deepEqual([answer.status, answer.headers['grpc-status'], answer.body], [200, expected, ''], `${status}`);
  }
  const direct = await ask(client, rpc('/direct'), Buffer.alloc(5));
  assert.deepEqual([direct.headers['grpc-status'], direct.headers['grpc-message']], ['14', 'later']);
  const nothing = await ask(client, rpc('/of-no-route'), Buffer.alloc(5));
  assert.deepEqual([nothing.status, nothing.headers['grpc-status']], [200, '12']);
  caller.unconfigure();
});

function closed(stream: ClientHttp2Stream): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', () => resolve()));
}
