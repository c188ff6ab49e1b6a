import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { Head } from '../../../../core/http/head.ts';
import { env, guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

/** Request headers: 'GET' of fewer than six fields continue, one with six traps, one with more pauses. */
const BOMB = guest({
  body: `(func $explode (unreachable))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (if (i32.eq (local.get 1) (i32.const 6)) (then (call $explode)))
      (i32.gt_u (local.get 1) (i32.const 6)))`,
});

/** The same, with something to say about responses too. */
const BOMB_BOTH_WAYS = guest({
  body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (if (i32.eq (local.get 1) (i32.const 6)) (then (unreachable)))
      (i32.gt_u (local.get 1) (i32.const 6)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (if (i32.eq (local.get 1) (i32.const 4)) (then (unreachable)))
      (i32.const 0))`,
});

const fields = (count: number): [string, string][] => Array.from({ length: count }, (_, i) => [`x-${i}`, '1']);
const calm = () => new TestStream(Head.request('GET', 'a', '/', fields(0)));
const fatal = () => new TestStream(Head.request('GET', 'a', '/', fields(2)));
const pausing = () => new TestStream(Head.request('GET', 'a', '/', fields(3)));

function failing(strategy: 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD', bytes = BOMB) {
  let now = 1_000_000;
  const { runtime, lines } = runtimeFor({ now: () => now });
  const factory = runtime.configure(specFor(bytes, { failStrategy: strategy }));
  const send = (stream: TestStream) => {
    const filter = factory.open(stream, null);
    return { stream, filter, verdict: filter.head('request', stream.requestHead, true) };
  };
  const pass = (ms: number): void => {
    now += ms;
  };
  return { runtime, lines, factory, send, pass };
}

const refused = (stream: TestStream): boolean => {
  if (stream.replies.length === 0) return false;
  assert.equal(stream.replies.length, 1);
  assert.equal(stream.replies[0].status, 503);
  assert.deepEqual(stream.flags, ['NFCF']);
  return true;
};

describe('a trap', () => {
  test('costs the request that met it, and never the next one', async () => {
    const { runtime, lines, send } = failing('FAIL_CLOSE');
    const { stream, verdict, filter } = send(fatal());
    assert.equal(verdict, 'pause');
    assert.ok(refused(stream));
    assert.match(lines[0].message, /^test: trapped in proxy_on_request_headers: unreachable/);
    assert.match(lines[0].message, /wasm-function\[\d+\]/, 'it says where');
    filter.done();
    for (let i = 1; i <= 20; i++) {
      for (let calls = 0; calls < 3; calls++) {
        const next = send(calm());
        assert.ok(!refused(next.stream), `after ${i} traps`);
        next.filter.done();
      }
      assert.ok(refused(send(fatal()).stream));
      await turn();
    }
    assert.equal(runtime.dump()[0].broken, false);
    runtime.stop();
  });

  test('two bad requests one after the other cost no third', () => {
    const { runtime, send } = failing('FAIL_CLOSE');
    assert.ok(refused(send(fatal()).stream));
    assert.ok(refused(send(fatal()).stream));
    assert.ok(!refused(send(calm()).stream));
    runtime.stop();
  });

  test('FAIL_OPEN: the request goes on without the filter, and so do new ones', () => {
    const { runtime, send } = failing('FAIL_OPEN');
    const { stream, verdict, filter } = send(fatal());
    assert.equal(verdict, 'continue');
    assert.equal(stream.replies.length, 0);
    assert.equal(filter.head('response', Head.response(200), true), 'continue');
    filter.done();
    const next = send(calm());
    assert.equal(next.verdict, 'continue');
    next.filter.done();
    runtime.stop();
  });

  test('pauses grow while nobody is served between traps, and there are none once somebody was', async () => {
    for (const strategy of ['FAIL_CLOSE', 'FAIL_RELOAD'] as const) {
      const { runtime, send, pass } = failing(strategy);
      const waits = (): number => {
        assert.ok(refused(send(fatal()).stream));
        let waited = 0;
        while (!runtime.dump()[0].running) {
          if (!refused(send(calm()).stream)) break;
          pass(500);
          waited += 500;
        }
        return waited;
      };
      assert.deepEqual([waits(), waits(), waits(), waits(), waits()], [0, 0, 1000, 2000, 60_000]);
      send(calm()).filter.done();
      assert.equal(waits(), 0);
      runtime.stop();
      await turn();
    }
  });

  test('a spare is kept after a trap, so that nobody waits for an instance to start', async () => {
    const starting = guest({
      imports: env('proxy_log', 'i32 i32 i32'),
      body: `(data (i32.const 0) "starts")
        (func (export "_initialize") (drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 6))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (i32.eq (local.get 1) (i32.const 6)) (then (unreachable))) (i32.const 0))`,
    });
    const { runtime, lines, send } = failing('FAIL_CLOSE', starting);
    const starts = (): number => lines.filter(({ message }) => message.endsWith(': starts')).length;
    send(calm()).filter.done();
    assert.equal(starts(), 1);
    send(fatal()).filter.done();
    send(calm()).filter.done();
    await turn();
    assert.equal(starts(), 3, 'the one that took over, and a spare');
    send(fatal()).filter.done();
    send(calm()).filter.done();
    assert.equal(starts(), 3, 'the spare took over');
    await turn();
    assert.equal(starts(), 4);
    runtime.stop();
  });

  test('other open streams: held ones are refused, or let go where the filter may be missing', async () => {
    for (const strategy of ['FAIL_CLOSE', 'FAIL_OPEN'] as const) {
      const { runtime, send } = failing(strategy);
      const held = send(pausing());
      assert.equal(held.verdict, 'pause');
      send(fatal());
      assert.equal(held.stream.replies.length + held.stream.resumed.length, 0, 'not inside the other one’s turn');
      await turn();
      assert.deepEqual(
        [refused(held.stream), held.stream.resumed],
        strategy === 'FAIL_CLOSE' ? [true, []] : [false, ['request']],
      );
      held.filter.done();
      runtime.stop();
    }
  });

  test('a stream that the filter has nothing more to say about goes on', async () => {
    const { runtime, send } = failing('FAIL_CLOSE');
    const passed = send(calm());
    send(fatal());
    await turn();
    assert.equal(passed.stream.replies.length, 0);
    assert.equal(passed.filter.trailers('request', Head.response(0)), 'continue');
    passed.filter.done();
    runtime.stop();
  });

  test('a response that the dead filter would have seen is refused; the refusal itself passes', async () => {
    const { runtime, send } = failing('FAIL_CLOSE', BOMB_BOTH_WAYS);
    const waiting = send(calm());
    send(fatal());
    // The response arrives before the others were told.
    assert.equal(waiting.filter.head('response', Head.response(200), true), 'continue');
    assert.ok(refused(waiting.stream));
    assert.equal(waiting.filter.head('response', Head.response(503), true), 'continue');
    await turn();
    assert.equal(waiting.stream.replies.length, 1);
    waiting.filter.done();
    runtime.stop();
  });

  test('in a response: the client gets the refusal instead', () => {
    const { runtime, send } = failing('FAIL_CLOSE', BOMB_BOTH_WAYS);
    const { filter, stream } = send(calm());
    stream.responseHead = Head.response(200, fields(2));
    filter.head('response', stream.responseHead, true);
    assert.ok(refused(stream));
    filter.done();
    runtime.stop();
  });

  test('an exhausted stack is a trap like any other', () => {
    const endless = guest({
      body: `(func $f (param i32) (result i32) (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $f (i32.const 0)))`,
    });
    const { lines, send, runtime } = failing('FAIL_CLOSE', endless);
    assert.ok(refused(send(calm()).stream));
    assert.match(lines[0].message, /stack exhausted/);
    runtime.stop();
  });

  test('a guest that grows past its cap traps', () => {
    const greedy = guest({
      imports: env('proxy_get_header_map_pairs', 'i32 i32 i32'),
      body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (memory.grow (i32.const 1000)))
        (drop (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 20))) (i32.const 0))`,
    });
    const { lines, send, runtime } = failing('FAIL_CLOSE', greedy);
    assert.ok(refused(send(calm()).stream));
    assert.match(lines[0].message, /memory grew to \d+ bytes, the cap is/);
    runtime.stop();
  });

  test('a host function that is called while memory is allocated traps, except for the log', () => {
    const bad = guest({
      imports: `${env('proxy_get_header_map_pairs', 'i32 i32 i32')}${env('proxy_log', 'i32 i32 i32')}`,
      allocator: `(func (export "malloc") (param i32) (result i32)
        (drop (call $proxy_log (i32.const 3) (i32.const 0) (i32.const 0)))
        (drop (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 20))) (i32.const 1024))`,
      body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 20)))`,
    });
    const { lines, send, runtime } = failing('FAIL_CLOSE', bad);
    assert.ok(refused(send(calm()).stream));
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warning', 'error'],
    );
    assert.match(lines[1].message, /proxy_get_header_map_pairs was called while allocating memory/);
    runtime.stop();
  });

  test('a new configuration brings a machine back that is down, with those that waited', () => {
    const { runtime, factory, send } = failing('FAIL_CLOSE');
    for (let i = 0; i < 3; i++) send(fatal());
    assert.ok(refused(send(calm()).stream));
    runtime.configure(specFor(BOMB, { configuration: Buffer.from('fixed') }));
    assert.ok(!refused(send(calm()).stream));
    assert.equal(factory.name, 'test');
    runtime.stop();
  });

  test('when it traps again while it starts again, it is tried later', () => {
    // Counts its starts in shared data: the second one traps.
    const shared = `${env('proxy_get_shared_data', 'i32 i32 i32 i32 i32')}${env('proxy_set_shared_data', 'i32 i32 i32 i32 i32')}`;
    const moody = guest({
      imports: shared,
      body: `(data (i32.const 16) "starts")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $proxy_get_shared_data (i32.const 16) (i32.const 6) (i32.const 32) (i32.const 36) (i32.const 40)))
          (drop (call $proxy_set_shared_data (i32.const 16) (i32.const 6) (i32.const 16) (i32.const 1) (i32.const 0)))
          (if (i32.eq (i32.load (i32.const 40)) (i32.const 1)) (then (unreachable)))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (i32.eq (local.get 1) (i32.const 6)) (then (unreachable))) (i32.const 0))`,
    });
    const { runtime, lines, send, pass } = failing('FAIL_CLOSE', moody);
    assert.ok(refused(send(fatal()).stream));
    pass(1000);
    assert.ok(refused(send(calm()).stream));
    assert.match(lines.at(-1)?.message ?? '', /cannot be started again: unreachable/);
    pass(2000);
    assert.ok(!refused(send(calm()).stream));
    runtime.stop();
  });
});
