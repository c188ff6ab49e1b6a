// Connections to Redis and MongoDB through two sidecars and a gateway: their commands are counted on the way, and nothing of them is
// changed.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { filterMetricLines } from '../../core/telemetry/filter-metrics.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.44.3.1';
const SERVER = '127.44.3.2';
const EDGE = '127.44.3.3';
const CACHE = 'cache:6379';
const OUTBOUND = 'outbound|6379||cache.default.svc.cluster.local';

const SERVICE = (name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: cache }
spec: { selector: { app: cache }, ports: [{ name: ${name}, port: 6379 }] }`;
const AT_EDGE = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 6379, name: cache, protocol: REDIS }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: cache }
spec:
  hosts: ["*"]
  gateways: [edge]
  tcp: [{ route: [{ destination: { host: cache, port: { number: 6379 } } }] }]`;

let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let edge: RunningDataPlane;
let appPort = 0;
const closers: (() => unknown)[] = [];

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  // Each line that is asked is answered, whatever it is.
  const app = await startTcp((socket) => {
    socket.on('data', (bytes) => {
      for (const word of bytes.toString('latin1').trim().split(/\r\n/)) {
        socket.write(word.startsWith('GET') ? '$3\r\nabc\r\n' : word === 'PING' ? '+PONG\r\n' : '-ERR what\r\n');
      }
    });
  });
  closers.push(app.close);
  appPort = app.port;
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'cache' }, serviceAccount: 'cache', services: ['cache'] },
    ...{ appPort, appProtocol: 'redis' },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop', upstreams: [CACHE] },
  });
  edge = await startDataPlane({ address: EDGE, role: 'gateway', serviceAccount: 'edge', gatewayPort: 6379 });
  closers.push(server.close, caller.close, edge.close);
  const all = [
    { ...workload('shop', CALLER, 0, []), serviceAccount: 'shop' },
    { ...workload('cache', SERVER, server.ports.inbound, ['cache']), serviceAccount: 'cache', appPort: 6379 },
  ];
  for (const [plane, name] of [
    [server, 'cache'],
    [caller, 'shop'],
    [edge, 'edge'],
  ] as const) {
    plane.plane.setIdentity(await authority.identity(name));
    plane.told(all);
    plane.apply(SERVICE('redis'));
  }
  edge.apply(AT_EDGE);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

/** Says all of it at once, and returns what is answered, up to so many bytes. */
async function ask(port: number, host: string, text: string, bytes: number): Promise<string> {
  const socket: Socket = connect({ port, host });
  closers.push(() => socket.destroy());
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  socket.write(text, 'latin1');
  await until('the answers', () => heard.length >= bytes);
  socket.destroy();
  return heard;
}

function counts(plane: RunningDataPlane, prefix: string): Record<string, string> {
  const label = `{envoy_redis_prefix="${prefix}"}`;
  const lines = filterMetricLines(plane.metrics()).filter((line) => line.includes(label));
  return Object.fromEntries(
    lines.map((line) => line.replace('envoy_redis_', '').replace(label, '').split(' ') as [string, string]),
  );
}

const TEXT = 'PING\r\nGET a\r\nGET b\r\nnonsense\r\n';
const ANSWERS = '+PONG\r\n$3\r\nabc\r\n$3\r\nabc\r\n-ERR what\r\n';

test('the sidecars on both sides, and the gateway, each count what passes them under the name of its port', async () => {
  assert.equal(await ask(caller.upstreams[CACHE], '127.0.0.1', TEXT, ANSWERS.length), ANSWERS);
  for (const [plane, prefix] of [
    [caller, OUTBOUND],
    [server, `inbound|${appPort}||`],
  ] as const) {
    const { command_get_latency_sum: sum, ...rest } = counts(plane, prefix);
    assert.ok(Number(sum) > 0, 'it takes some microseconds');
    assert.equal(rest.downstream_rq_total, '4');
    assert.equal(rest.downstream_cx_protocol_error, '0');
    assert.deepEqual([rest.command_get_total, rest.command_get_success, rest.command_get_error], ['2', '2', '0']);
    assert.deepEqual([rest.command_other_error, rest.command_other_success], ['1', '0']);
    assert.equal(rest.command_get_latency_count, '2');
  }
  assert.equal(await ask(edge.ports.gateway, EDGE, TEXT, ANSWERS.length), ANSWERS);
  assert.equal(counts(edge, '0.0.0.0_6379').downstream_rq_total, '4');
  assert.equal(counts(server, `inbound|${appPort}||`).downstream_rq_total, '8');
});

test('a histogram of a built-in filter has its labels beside the bounds', async () => {
  await ask(caller.upstreams[CACHE], '127.0.0.1', TEXT, ANSWERS.length);
  const lines = filterMetricLines(caller.metrics());
  const family = 'envoy_redis_command_ping_latency';
  assert.ok(lines.includes(`# TYPE ${family} histogram`));
  const last = lines.find((line) => line.startsWith(`${family}_bucket{envoy_redis_prefix="${OUTBOUND}",le="+Inf"} `));
  assert.equal(Number(last?.split(' ').at(-1)), Number(counts(caller, OUTBOUND).command_ping_latency_count));
});

test('what speaks nothing that is known is counted by nobody, as before the port had a name', async () => {
  caller.apply(SERVICE('tcp'));
  const before = counts(caller, OUTBOUND).downstream_rq_total;
  assert.equal(await ask(caller.upstreams[CACHE], '127.0.0.1', TEXT, ANSWERS.length), ANSWERS);
  assert.equal(counts(caller, OUTBOUND).downstream_rq_total, before);
  caller.apply(SERVICE('redis'));
});

test('bytes that are not Redis pass, and are counted as such once for a connection', async () => {
  const errors = (plane: RunningDataPlane, prefix: string) =>
    Number(counts(plane, prefix).downstream_cx_protocol_error);
  const before = errors(caller, OUTBOUND);
  // The application answers three lines of it.
  const odd = '*what\r\nis\r\nthis\r\n';
  const answers = '-ERR what\r\n'.repeat(3);
  assert.equal(await ask(caller.upstreams[CACHE], '127.0.0.1', odd, answers.length), answers);
  assert.equal(errors(caller, OUTBOUND) - before, 1);
});

test('at a port of MongoDB its commands are counted', async () => {
  caller.apply(SERVICE('mongo-main'));
  const hello = Buffer.alloc(16 + 5 + 11 + 4);
  const body = Buffer.concat([Buffer.of(16), Buffer.from('ping\0'), Buffer.alloc(4), Buffer.of(0)]);
  hello.writeInt32LE(16 + 5 + 4 + body.length, 0);
  hello.writeInt32LE(2013, 12);
  hello.writeInt32LE(4 + body.length, 21);
  body.copy(hello, 25);
  const asked = hello.subarray(0, 25 + body.length);
  const heard = await ask(caller.upstreams[CACHE], '127.0.0.1', asked.toString('latin1'), 10);
  assert.match(heard, /^-ERR/);
  const lines = filterMetricLines(caller.metrics());
  assert.ok(lines.includes(`envoy_mongo_cmd_total{envoy_mongo_cmd="ping",envoy_mongo_prefix="${OUTBOUND}"} 1`));
  caller.apply(SERVICE('redis'));
});
