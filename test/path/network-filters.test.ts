// Plugins of type NETWORK on connections that are carried as bytes, through two sidecars: where they stand, what they are told, and
// that nothing of a connection is lost in them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { DEFAULT_LIMITS, moduleKey } from '../../core/wasm/guest/spec.ts';
import { filter } from '../plugins/wat.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.44.2.1';
const SERVER = '127.44.2.2';
const DB = 'orders-db:5432';
const DATA = '(param $ctx i32) (param $size i32) (param $end i32) (result i32)';

/** Logs when a connection opens, what it knows at its end, and shouts what passes: the first byte of a chunk becomes '!'. */
const WITNESS = filter(
  `(func $say (param $at i32) (param $length i32) (drop (call $proxy_log (i32.const 2) (local.get $at) (local.get $length))))
  (func $tell (param $path i32) (param $length i32)
    (i32.store (i32.const 68) (i32.const 0))
    (drop (call $proxy_get_property (local.get $path) (local.get $length) (i32.const 64) (i32.const 68)))
    (call $say (i32.load (i32.const 64)) (i32.load (i32.const 68))))
  (func (export "proxy_on_new_connection") (param $ctx i32) (result i32)
    (call $say (TEXT opened))
    (drop (call $proxy_set_property (TEXT note) (TEXT opened)))
    (i32.const 0))
  (func (export "proxy_on_downstream_data") ${DATA}
    (if (local.get $size) (then
      (drop (call $proxy_set_buffer_bytes (i32.const 2) (i32.const 0) (i32.const 1) (TEXT mark)))))
    (i32.const 0))
  (func (export "proxy_on_upstream_data") ${DATA}
    (if (local.get $size) (then
      (drop (call $proxy_set_buffer_bytes (i32.const 3) (i32.const 0) (i32.const 1) (TEXT mark)))))
    (i32.const 0))
  (func (export "proxy_on_upstream_connection_close") (param $ctx i32) (param $by i32) (call $say (TEXT upstream)))
  (func (export "proxy_on_downstream_connection_close") (param $ctx i32) (param $by i32)
    (call $tell (TEXT note))
    (call $tell (TEXT cluster))
    (call $tell (TEXT address))
    (call $tell (TEXT source))
    (call $tell (TEXT version))
    (call $say (TEXT downstream)))
  (func (export "proxy_on_log") (param $ctx i32) (call $say (TEXT log)))`,
  {
    imports: [
      ['proxy_log', 'i32 i32 i32'],
      ['proxy_set_buffer_bytes', 'i32 i32 i32 i32 i32'],
      ['proxy_get_property', 'i32 i32 i32 i32'],
      ['proxy_set_property', 'i32 i32 i32 i32'],
    ],
    texts: {
      ...{ opened: 'opened', mark: '!', upstream: 'upstream closed', downstream: 'downstream closed', log: 'log' },
      ...{ note: 'note', cluster: 'cluster_name', address: 'upstream\0address' },
      ...{ source: 'source\0workload\0name', version: 'connection\0tls_version' },
    },
  },
);
const DIGEST = createHash('sha256').update(WITNESS).digest('hex');

const plugin = (match: string): string => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: witness, annotations: { weft.dev/module-digest: "sha256:${DIGEST}" } }
spec: { url: "file:///witness.wasm", sha256: ${DIGEST}, type: NETWORK, failStrategy: FAIL_OPEN${match} }`;

let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let appPort = 0;
const closers: (() => unknown)[] = [];

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  const app = await startTcp((socket) => {
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
    // Its answer comes after the client's last word.
    socket.on('end', () => socket.end(`:${heard}`));
  });
  Object.assign(app.server, { allowHalfOpen: true });
  closers.push(app.close);
  appPort = app.port;
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'orders-db' }, serviceAccount: 'orders-db', services: ['orders-db'] },
    ...{ appPort, appProtocol: 'tcp' },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop', upstreams: [DB] },
  });
  closers.push(server.close, caller.close);
  server.plane.setIdentity(await authority.identity('orders-db'));
  caller.plane.setIdentity(await authority.identity('shop'));
  const key = moduleKey({ digest: `sha256:${DIGEST}`, limits: DEFAULT_LIMITS });
  const all = [
    { ...workload('shop', CALLER, 0, []), serviceAccount: 'shop' },
    {
      ...workload('orders-db', SERVER, server.ports.inbound, ['orders-db']),
      serviceAccount: 'orders-db',
      appPort: 5432,
    },
  ];
  for (const plane of [server, caller]) {
    plane.plane.setModules([{ key, module: new WebAssembly.Module(WITNESS), type: 'network' }]);
    plane.told(all);
  }
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

async function exchange(text: string): Promise<string> {
  const socket: Socket = connect({ port: caller.upstreams[DB], host: '127.0.0.1', allowHalfOpen: true });
  closers.push(() => socket.destroy());
  let heard = '';
  let ended = false;
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  socket.on('end', () => {
    ended = true;
  });
  socket.on('error', () => {
    ended = true;
  });
  socket.end(text);
  await until('the answer', () => ended);
  return heard;
}

/** What the plugin has said at this proxy since it was last asked. */
function said(plane: RunningDataPlane): string[] {
  const lines = plane.logs.splice(0).filter((line) => line.includes('default/witness: '));
  return lines.map((line) => line.slice(line.indexOf(': ') + 2));
}

async function ending(plane: RunningDataPlane): Promise<string[]> {
  await until('the end of the connection', () => plane.logs.some((line) => line.endsWith(': log')));
  return said(plane);
}

test('it sees bytes both ways at both proxies, and half a connection stays open', async () => {
  for (const plane of [server, caller]) plane.apply(plugin(''));
  // Each of the two has written over the first byte of each side.
  assert.equal(await exchange('hello'), '!!ello');
  const there = await ending(caller);
  assert.equal(there[0], 'opened');
  assert.deepEqual(there.slice(-2), ['downstream closed', 'log']);
  assert.ok(there.includes('upstream closed'));
  const [note, cluster, address, source] = there.slice(-7);
  assert.deepEqual([note, source], ['opened', 'caller']);
  assert.match(cluster, /^outbound\|5432\|\|orders-db\.default/);
  assert.equal(address, `${SERVER}:${server.ports.inbound}`);
  const here = await ending(server);
  const facts = here.slice(-7);
  assert.equal(facts[0], 'opened');
  assert.match(facts[1], /^inbound\|/);
  assert.equal(facts[2], `127.0.0.1:${appPort}`);
  assert.deepEqual([facts[3], facts[4]], ['shop', 'TLSv1.3']);
});

test('it stands where its match says: at clients or servers, at the port of the service or of the application', async () => {
  const rows: [string, boolean, boolean][] = [
    [', match: [{mode: CLIENT}]', true, false],
    [', match: [{mode: SERVER}]', false, true],
    [', match: [{mode: CLIENT, ports: [{number: 5432}]}]', true, false],
    [', match: [{mode: CLIENT, ports: [{number: 5433}]}]', false, false],
    [`, match: [{mode: SERVER, ports: [{number: ${appPort}}]}]`, false, true],
    [', match: [{mode: SERVER, ports: [{number: 1}]}]', false, false],
  ];
  for (const [match, client, served] of rows) {
    for (const plane of [server, caller]) {
      plane.apply(plugin(match));
      plane.logs.length = 0;
      plane.records.length = 0;
    }
    assert.equal(await exchange('hello'), client || served ? '!!ello' : ':hello', match);
    for (const [plane, stands] of [
      [caller, client],
      [server, served],
    ] as const) {
      await plane.ended(1);
      if (stands) await ending(plane);
      else assert.deepEqual(said(plane), [], match);
    }
  }
});

test('a large body passes whole, also where the other side takes it slowly', async () => {
  for (const plane of [server, caller]) {
    plane.apply(plugin(''));
    plane.logs.length = 0;
  }
  const size = 3 << 20;
  const answer = await exchange('x'.repeat(size));
  assert.equal(answer.length, size + 1);
  assert.equal(answer.replaceAll(/[x!]/g, ''), '');
});
