import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, afterEach, suite, test } from 'node:test';
import { freePort } from '../../../bench/ports.ts';
import type { ServerHandler } from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import { serverOptions } from '../../../core/http/limits.ts';
import { http1 } from '../../../core/http1/codec.ts';
import { type NetworkFilterFactory, networkFiltersFor } from '../../../core/tcp/network-filter.ts';
import { Timers } from '../../../core/timers.ts';
import { Listener } from '../../../core/transport/listener.ts';
import { listenerCounts } from '../../../core/transport/listener-counts.ts';
import type { ListenerSpec } from '../../../core/transport/listener-spec.ts';
import { Peers } from '../../../core/transport/peers.ts';
import type { PluginSpec } from '../../../core/wasm/guest/spec.ts';
import { exchangeBytes } from '../../path/data-plane.ts';
import { filter } from '../../plugins/wat.ts';
import { type LogLine, runtimeFor, specFor } from '../wasm/harness.ts';

const NEW_CONNECTION = '(func (export "proxy_on_new_connection") (param $ctx i32) (result i32)';
const DOWNSTREAM =
  '(func (export "proxy_on_downstream_data") (param $ctx i32) (param $size i32) (param $end i32) (result i32)';
const UPSTREAM =
  '(func (export "proxy_on_upstream_data") (param $ctx i32) (param $size i32) (param $end i32) (result i32)';
const TICK = '(func (export "proxy_on_tick") (param $root i32)';
const FIVE = 'i32 i32 i32 i32 i32';

const IMPORTS = [
  ['proxy_log', 'i32 i32 i32'],
  ['proxy_get_buffer_bytes', FIVE],
  ['proxy_set_buffer_bytes', FIVE],
  ['proxy_get_property', 'i32 i32 i32 i32'],
  ['proxy_continue_stream', 'i32'],
  ['proxy_close_stream', 'i32'],
  ['proxy_set_effective_context', 'i32'],
  ['proxy_set_tick_period_milliseconds', 'i32'],
] as const;

/**
 * Takes a preface of six bytes ("HELLO" and a line's end) off each connection, holding until it is there, and ends
 * connections that begin otherwise. What is answered gets "+" in front, once. Logs every step.
 */
const PREFACE = filter(
  `(global $answered (mut i32) (i32.const 0))
  (func $say (param $at i32) (param $length i32) (drop (call $proxy_log (i32.const 2) (local.get $at) (local.get $length))))
  ${NEW_CONNECTION}
    (call $say (TEXT new))
    (drop (call $proxy_get_property (TEXT source) (i32.const 64) (i32.const 68)))
    (call $say (i32.load (i32.const 64)) (i32.load (i32.const 68)))
    (i32.const 0))
  ${DOWNSTREAM}
    (if (i32.eqz (local.get $size)) (then (call $say (TEXT end)) (return (i32.const 0))))
    (if (i32.load (i32.const 512)) (then (return (i32.const 0))))
    (if (i32.lt_u (local.get $size) (i32.const 6)) (then (call $say (TEXT hold)) (return (i32.const 1))))
    (drop (call $proxy_get_buffer_bytes (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 64) (i32.const 68)))
    (if (i32.ne (i32.load (i32.load (i32.const 64))) (i32.const 0x4c4c4548)) (then
      (drop (call $proxy_close_stream (i32.const 2)))
      (return (i32.const 1))))
    (drop (call $proxy_set_buffer_bytes (i32.const 2) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0)))
    (i32.store (i32.const 512) (i32.const 1))
    (i32.const 0))
  ${UPSTREAM}
    (if (global.get $answered) (then (return (i32.const 0))))
    (global.set $answered (i32.const 1))
    (drop (call $proxy_set_buffer_bytes (i32.const 3) (i32.const 0) (i32.const 0) (TEXT plus)))
    (i32.const 0))
  (func (export "proxy_on_downstream_connection_close") (param $ctx i32) (param $by i32)
    (i32.store (i32.const 512) (i32.const 0))
    (if (i32.eq (local.get $by) (i32.const 1)) (then (call $say (TEXT local))))
    (if (i32.eq (local.get $by) (i32.const 2)) (then (call $say (TEXT remote)))))
  (func (export "proxy_on_upstream_connection_close") (param $ctx i32) (param $by i32) (call $say (TEXT answered)))
  (func (export "proxy_on_done") (param $ctx i32) (result i32) (call $say (TEXT done)) (i32.const 1))
  (func (export "proxy_on_log") (param $ctx i32) (call $say (TEXT log)))
  (func (export "proxy_on_delete") (param $ctx i32) (call $say (TEXT delete)))`,
  {
    imports: IMPORTS,
    texts: {
      new: 'new',
      source: 'source\0address',
      end: 'end',
      hold: 'hold',
      plus: '+',
      local: 'closed by us',
      remote: 'closed by the client',
      answered: 'answered',
      done: 'done',
      log: 'log',
      delete: 'delete',
    },
  },
);

/** Holds the connection at its opening, or what it sends, until the next tick. */
function patient(at: 'opening' | 'data'): Uint8Array {
  const wait = '(global.set $held (local.get $ctx)) (i32.const 1)';
  return filter(
    `(global $held (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (i32.eqz (call $proxy_set_tick_period_milliseconds (i32.const 5))))
    ${NEW_CONNECTION} ${at === 'opening' ? wait : '(i32.const 0)'})
    ${DOWNSTREAM} ${at === 'data' ? wait : '(i32.const 0)'})
    ${TICK}
      (if (i32.eqz (global.get $held)) (then (return)))
      (if (call $proxy_set_effective_context (global.get $held)) (then (return)))
      (drop (call $proxy_continue_stream (i32.const 2))))`,
    { imports: IMPORTS },
  );
}

/** Dies of a connection that sends anything. */
const BOMB = filter(`${DOWNSTREAM} (unreachable))`, {});

const timers = new Timers();
const peers = new Peers();
const closers: (() => unknown)[] = [];
after(() => timers.stop());
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Rig {
  readonly port: number;
  readonly listener: Listener;
  readonly said: () => string[];
  readonly paths: string[];
  /** Of the connection, at each request. */
  readonly ids: number[];
  readonly lines: LogLine[];
}

async function listen(guests: readonly (readonly [Uint8Array, Partial<PluginSpec>?])[]): Promise<Rig> {
  const { runtime, lines } = runtimeFor();
  closers.push(() => runtime.stop());
  const filters = guests.map(([bytes, changes], i) =>
    runtime.configureNetwork(specFor(bytes, { name: `f${i}`, vmId: String(i), ...changes })),
  );
  const said = (): string[] => lines.map(({ message }) => message.replace('f0: ', ''));
  return { ...(await listenWith(filters)), said, lines };
}

async function listenWith(filters: readonly NetworkFilterFactory[]): Promise<Omit<Rig, 'said' | 'lines'>> {
  const paths: string[] = [];
  const ids: number[] = [];
  const handler: ServerHandler = {
    onRequest(stream, head, end) {
      let received = 0;
      ids.push(stream.connection.id);
      paths.push(`${head.path} from ${stream.connection.remoteAddress}`);
      const answer = (): void => {
        const response = Head.response(200, [['x-received', String(received)]]);
        response.contentLength = 2;
        stream.writeHead(response, false);
        stream.writeData(Buffer.from('ok'), true);
      };
      if (end) answer();
      return {
        onHead() {},
        onData(chunk, last) {
          received += chunk.length;
          if (last) answer();
        },
        onTrailers() {},
        onReset() {},
        onWritable() {},
      };
    },
    onMalformed(stream) {
      stream.closeAfterResponse();
      const response = Head.response(400, []);
      response.contentLength = 0;
      stream.writeHead(response, true);
    },
  };
  const port = await freePort();
  const spec = { name: 'gateway', kind: 'gateway', address: '127.0.0.1', port, configuredPort: 8080 } as const;
  const options = serverOptions(spec.kind, timers);
  const listener = new Listener(
    {
      spec,
      counts: listenerCounts(),
      reusePort: false,
      handshakeMs: 15_000,
      peers,
      greet: () => null,
      log: () => undefined,
    },
    (transport) => http1.serve(transport, handler, options),
  );
  listener.networkFilters = filters;
  await listener.open();
  closers.push(() => listener.close());
  return { port, listener, paths, ids };
}

const GET = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

suite('a network filter', () => {
  test('takes from what the client sends and adds to what it gets, before the codec sees it', async () => {
    const { port, said, paths } = await listen([[PREFACE]]);
    assert.match(await exchangeBytes(port, `HELLO\n${GET}`), /^\+HTTP\/1.1 200 OK\r\n.*ok$/s);
    assert.deepEqual(paths, ['/x from 127.0.0.1']);
    while (!said().includes('delete')) await new Promise(setImmediate);
    const [opened, source, ...rest] = said();
    assert.equal(opened, 'new');
    assert.match(source, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(
      rest.filter((line) => line !== 'end'),
      ['answered', 'closed by us', 'done', 'log', 'delete'],
    );
  });

  test('holds bytes until it has seen enough, and then passes all of them at once', async () => {
    const { port, said } = await listen([[PREFACE]]);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    for (const part of ['HE', 'LL']) {
      socket.write(part);
      while (said().filter((line) => line === 'hold').length < (part === 'HE' ? 1 : 2)) await new Promise(setImmediate);
    }
    socket.write(`O\n${GET}`);
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /^\+HTTP\/1.1 200/);
    socket.destroy();
  });

  test('ends a connection, which the codec then never hears of', async () => {
    const { port, said, paths, listener } = await listen([[PREFACE]]);
    assert.equal(await exchangeBytes(port, GET), '');
    assert.deepEqual([paths, listener.activeConnections], [[], 0]);
    assert.deepEqual(said().slice(2), ['closed by us', 'done', 'log', 'delete']);
  });

  test('hears that the client has left, by a FIN or by a reset', async () => {
    const { port, said, listener } = await listen([[PREFACE]]);
    for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      const before = said().length;
      while (listener.activeConnections === 0) await new Promise(setImmediate);
      leave(socket);
      while (!said().slice(before).includes('delete')) await new Promise(setImmediate);
      assert.ok(said().slice(before).includes('closed by the client'));
    }
    assert.equal(listener.activeConnections, 0);
  });

  for (const at of ['opening', 'data'] as const) {
    test(`that holds the ${at} lets it go on from its timer, in the name of the connection`, async () => {
      const { port } = await listen([[patient(at)]]);
      assert.match(await exchangeBytes(port, GET), /^HTTP\/1.1 200 OK\r\n.*ok$/s);
    });
  }

  test('is one of several: the client’s bytes pass them in order, the answer in reverse', async () => {
    const { port, lines } = await listen([[PREFACE], [PREFACE]]);
    assert.match(await exchangeBytes(port, `HELLO\nHELLO\n${GET}`), /^\+\+HTTP\/1.1 200/);
    const order = lines.map(({ message }) => message).filter((line) => line.endsWith('new'));
    assert.deepEqual(order, ['f0: new', 'f1: new']);
  });

  test('sees the connection by the number that its requests have', async () => {
    const seen: number[] = [];
    const watching: NetworkFilterFactory = {
      name: 'watching',
      failsOpen: false,
      connect({ record }) {
        seen.push(record.connection.id);
        return { opened: () => true, received: () => true, closed: () => undefined, done: () => undefined };
      },
    };
    const { port, ids } = await listenWith([watching]);
    for (let i = 0; i < 2; i++) await exchangeBytes(port, GET);
    assert.equal(seen.length, 2);
    assert.deepEqual(ids, seen);
  });

  test('that dies refuses its connections, or is missing from them, as its strategy says', async () => {
    const closed = await listen([[BOMB, { failStrategy: 'FAIL_CLOSE' }]]);
    assert.equal(await exchangeBytes(closed.port, GET), '');
    assert.equal(await exchangeBytes(closed.port, GET), '', 'while it is down');
    assert.deepEqual(closed.paths, []);
    const open = await listen([[BOMB, { failStrategy: 'FAIL_OPEN' }]]);
    assert.match(await exchangeBytes(open.port, GET), /^HTTP\/1.1 200/);
    assert.match(await exchangeBytes(open.port, GET), /^HTTP\/1.1 200/, 'while it is down');
  });

  test('does not stop a large body, nor let it grow without end while it holds', async () => {
    const size = 4 << 20;
    const { port } = await listen([[patient('data')]]);
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`;
    const answer = await exchangeBytes(port, Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'x')]));
    assert.match(answer, new RegExp(`x-received: ${size}`));
  });
});

suite('a listener', () => {
  test('has the filters that are placed in front of its kind and port', () => {
    const named = (name: string): NetworkFilterFactory => ({ name, failsOpen: false, connect: () => null });
    const placements = [
      { filter: named('everywhere'), kind: 'gateway', ports: null },
      { filter: named('here'), kind: 'gateway', ports: [8080, 9090] },
      { filter: named('there'), kind: 'gateway', ports: [443] },
      { filter: named('inbound'), kind: 'inbound', ports: null },
    ] as const;
    const spec: ListenerSpec = { name: '', kind: 'gateway', address: '', port: 18080, configuredPort: 8080 };
    assert.deepEqual(
      networkFiltersFor(placements, spec).map(({ name }) => name),
      ['everywhere', 'here'],
    );
    assert.equal(networkFiltersFor([], spec), networkFiltersFor([], { ...spec, kind: 'inbound' }), 'no list for none');
  });
});

test('a service plugin lives by its timer and is given no exchange', async () => {
  const { runtime, lines } = runtimeFor();
  const service = runtime.startService(
    specFor(
      filter(
        `(func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
          (if (local.get $parent) (then (unreachable))))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $proxy_set_tick_period_milliseconds (i32.const 1))))
        ${TICK} (drop (call $proxy_log (i32.const 2) (TEXT tick))))`,
        { imports: IMPORTS, texts: { tick: 'tick' } },
      ),
    ),
  );
  while (lines.length < 3) await new Promise(setImmediate);
  assert.deepEqual(
    lines.slice(0, 3).map(({ message }) => message),
    new Array(3).fill('test: tick'),
  );
  runtime.retire(service);
  assert.deepEqual(runtime.dump(), []);
});
