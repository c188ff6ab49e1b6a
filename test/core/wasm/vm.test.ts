import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { BodyBuffer } from '../../../core/body.ts';
import type { FilterFactory } from '../../../core/filter.ts';
import { Head } from '../../../core/head.ts';
import { env, guest } from './guests.ts';
import { type LogLine, runtimeFor, specFor, TestStream } from './harness.ts';

/** A guest that logs a letter, and the context's number as a digit, for every callback. */
function diary(extra = '', exported = ALL): Uint8Array {
  const notes = exported.map(
    ([
      name,
      letter,
      params,
      result,
    ]) => `(func (export "${name}") (param ${params}) ${result === '' ? '' : '(result i32)'}
      (call $note (i32.const ${letter.charCodeAt(0)}) (local.get 0)) ${result})`,
  );
  return guest({
    imports: `${env('proxy_log', 'i32 i32 i32')}${env('proxy_done', '')}`,
    body: `(func $note (param $letter i32) (param $context i32)
        (i32.store8 (i32.const 16) (local.get $letter))
        (i32.store8 (i32.const 17) (i32.add (i32.const 48) (local.get $context)))
        (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 2))))
      ${notes.join('\n')} ${extra}`,
  });
}

const ALL: readonly (readonly [name: string, letter: string, params: string, result: string])[] = [
  ['proxy_on_context_create', 'c', 'i32 i32', ''],
  ['proxy_on_vm_start', 'v', 'i32 i32', '(i32.const 1)'],
  ['proxy_on_configure', 'f', 'i32 i32', '(i32.const 1)'],
  ['proxy_on_request_headers', 'H', 'i32 i32 i32', '(i32.const 0)'],
  ['proxy_on_request_body', 'B', 'i32 i32 i32', '(i32.const 0)'],
  ['proxy_on_request_trailers', 'T', 'i32 i32', '(i32.const 0)'],
  ['proxy_on_response_headers', 'h', 'i32 i32 i32', '(i32.const 0)'],
  ['proxy_on_response_body', 'b', 'i32 i32 i32', '(i32.const 0)'],
  ['proxy_on_response_trailers', 't', 'i32 i32', '(i32.const 0)'],
  ['proxy_on_done', 'd', 'i32', '(i32.const 1)'],
  ['proxy_on_log', 'l', 'i32', ''],
  ['proxy_on_delete', 'x', 'i32', ''],
];

const told = (lines: LogLine[]): string => lines.map(({ message }) => message.replace(/^test: /, '')).join(' ');

function through(factory: FilterFactory, stream: TestStream): void {
  const filter = factory.open(stream, null);
  filter.requestHead(stream.requestHead, false);
  filter.requestBody(new BodyBuffer(), true);
  stream.responseHead = Head.response(200);
  filter.responseHead(stream.responseHead, false);
  filter.responseBody(new BodyBuffer(), false);
  filter.responseTrailers(Head.response(0));
  filter.done();
}

describe('the order of callbacks', () => {
  test('a plugin: create, start of the machine, configure; a stream: create, its phases, done, log, delete', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary()));
    assert.equal(told(lines.splice(0)), 'c1 v1 f1');
    through(factory, new TestStream());
    assert.equal(told(lines), 'c2 H2 B2 h2 b2 t2 d2 l2 x2');
    runtime.stop();
  });

  test('phases without a callback are not wanted, and the chain need not visit them', () => {
    const { runtime } = runtimeFor();
    const only = ALL.filter(([name]) => name === 'proxy_on_response_headers');
    assert.deepEqual(runtime.configure(specFor(diary('', only))).wants, {
      requestHead: false,
      requestBody: false,
      responseHead: true,
      responseBody: false,
    });
    runtime.stop();
  });

  test('a filter that only logs is entered by the request’s head', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(
      specFor(
        diary(
          '',
          ALL.filter(([name]) => name === 'proxy_on_log'),
        ),
      ),
    );
    assert.equal(factory.wants.requestHead, true);
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    assert.equal(filter.requestHead(stream.requestHead, true), 'continue');
    filter.done();
    assert.equal(told(lines), 'l2');
    runtime.stop();
  });

  test('a stream that a filter never saw ends without a word', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary()));
    lines.length = 0;
    factory.open(new TestStream(), null).done();
    assert.equal(told(lines), '');
    runtime.stop();
  });

  test('a stream that is not done yet is deleted once it says so', async () => {
    const notYet = ALL.map((one) =>
      one[0] === 'proxy_on_done' ? ([...one.slice(0, 3), '(i32.const 0)'] as const) : one,
    );
    const body = `(func (export "proxy_on_tick") (param i32))
      (func (export "proxy_on_foreign_function") (param i32 i32 i32) (drop (call $proxy_done)))`;
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary(body, notYet as typeof ALL)));
    lines.length = 0;
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    filter.requestHead(stream.requestHead, true);
    filter.done();
    assert.equal(told(lines), 'c2 H2 d2 l2');
    assert.equal(runtime.dump()[0].streams, 1);
    // As the guest would, in some later callback of this context.
    assert.ok('finished' in filter && typeof filter.finished === 'function');
    assert.equal(filter.finished(), true);
    await turn();
    assert.equal(told(lines), 'c2 H2 d2 l2 x2');
    assert.equal(runtime.dump()[0].streams, 0);
    assert.equal(filter.finished(), false);
    runtime.stop();
  });
});

describe('several plugins in one machine', () => {
  test('the same code with another configuration is a new root in the same instance; only the first starts the machine', () => {
    const { runtime, lines } = runtimeFor();
    const spec = specFor(diary(), { builtin: true });
    runtime.configure(spec);
    runtime.configure({ ...spec, configuration: Buffer.from('other') });
    assert.equal(told(lines), 'c1 v1 f1 c2 f2');
    runtime.stop();
  });

  test('another vm id, vm configuration or environment is another instance', () => {
    const { runtime, lines } = runtimeFor();
    const spec = specFor(diary());
    runtime.configure(spec);
    runtime.configure({ ...spec, vmId: 'b' });
    runtime.configure({ ...spec, vmConfiguration: Buffer.from('b') });
    runtime.configure({ ...spec, env: { B: '1' } });
    assert.equal(told(lines), 'c1 v1 f1 c1 v1 f1 c1 v1 f1 c1 v1 f1');
    runtime.stop();
  });

  test('a configuration of a third party is tried on an instance of its own first', () => {
    const { runtime, lines } = runtimeFor();
    const spec = specFor(diary());
    runtime.configure(spec);
    lines.length = 0;
    runtime.configure({ ...spec, configuration: Buffer.from('other') });
    assert.equal(told(lines), 'c1 v1 f1 c2 f2');
    runtime.stop();
  });

  test('a refused configuration leaves what runs alone', () => {
    // Refuses a configuration of three bytes, traps at one of four.
    const picky = guest({
      body: `(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (if (i32.eq (local.get 1) (i32.const 4)) (then (unreachable)))
        (i32.ne (local.get 1) (i32.const 3)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))`,
    });
    for (const builtin of [true, false]) {
      const { runtime } = runtimeFor();
      const spec = specFor(picky, { builtin });
      const factory = runtime.configure(spec);
      assert.throws(() => runtime.configure({ ...spec, configuration: Buffer.alloc(3) }), /refused its configuration/);
      if (!builtin) assert.throws(() => runtime.configure({ ...spec, configuration: Buffer.alloc(4) }), /trapped/);
      const stream = new TestStream();
      assert.equal(factory.open(stream, null).requestHead(stream.requestHead, true), 'continue');
      assert.equal(runtime.dump().length, 1);
      runtime.stop();
    }
  });

  test('a retired plugin stays until its last stream has ended, then it is done and deleted, and so is the machine', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary()));
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    filter.requestHead(stream.requestHead, true);
    lines.length = 0;
    runtime.retire(factory);
    runtime.retire(factory);
    assert.equal(runtime.dump().length, 1);
    filter.done();
    assert.equal(told(lines), 'd2 l2 x2 d1 x1');
    assert.deepEqual(runtime.dump(), []);
  });

  test('a request that reaches a retired plugin late is served, and the plugin leaves again', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary()));
    runtime.retire(factory);
    lines.length = 0;
    through(factory, new TestStream());
    assert.equal(told(lines), 'c1 v1 f1 c2 H2 B2 h2 b2 t2 d2 l2 x2 d1 x1');
    assert.deepEqual(runtime.dump(), []);
  });

  test('a trap at the very end of a plugin is only logged', () => {
    const dying = guest({ body: '(func (export "proxy_on_done") (param i32) (result i32) (unreachable))' });
    const { runtime, lines } = runtimeFor();
    runtime.retire(runtime.configure(specFor(dying)));
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['debug'],
    );
    assert.deepEqual(runtime.dump(), []);
  });
});

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
const CALM = Head.request('GET', 'a', '/', fields(0));
const calm = () => new TestStream(Head.request('GET', 'a', '/', fields(0)));
const fatal = () => new TestStream(Head.request('GET', 'a', '/', fields(2)));
const pausing = () => new TestStream(Head.request('GET', 'a', '/', fields(3)));

function failing(strategy: 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD', bytes = BOMB) {
  let now = 1_000_000;
  const { runtime, lines } = runtimeFor({ now: () => now });
  const factory = runtime.configure(specFor(bytes, { failStrategy: strategy }));
  const send = (stream: TestStream) => {
    const filter = factory.open(stream, null);
    return { stream, filter, verdict: filter.requestHead(stream.requestHead, true) };
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
  test('FAIL_CLOSE: the request that met it is refused; so are new ones until the pause is over', () => {
    const { runtime, lines, send, pass } = failing('FAIL_CLOSE');
    const { stream, verdict } = send(fatal());
    assert.equal(verdict, 'pause');
    assert.ok(refused(stream));
    assert.match(lines[0].message, /^test: trapped in proxy_on_request_headers: unreachable/);
    assert.match(lines[0].message, /wasm-function\[\d+\]/, 'it says where');
    assert.ok(refused(send(calm()).stream));
    assert.equal(runtime.dump()[0].running, false);
    pass(1000);
    assert.ok(!refused(send(calm()).stream));
    assert.deepEqual([runtime.dump()[0].running, runtime.dump()[0].restarts], [true, 1]);
    runtime.stop();
  });

  test('FAIL_OPEN: the request goes on without the filter, and so do new ones', () => {
    const { runtime, send } = failing('FAIL_OPEN');
    const { stream, verdict, filter } = send(fatal());
    assert.equal(verdict, 'continue');
    assert.equal(stream.replies.length, 0);
    assert.equal(filter.responseHead(Head.response(200), true), 'continue');
    filter.done();
    const next = send(calm());
    assert.equal(next.verdict, 'continue');
    next.filter.done();
    runtime.stop();
  });

  test('FAIL_RELOAD: the next request finds a fresh instance at once, but not again and again', () => {
    const { runtime, send, pass } = failing('FAIL_RELOAD');
    assert.ok(refused(send(fatal()).stream));
    assert.ok(!refused(send(calm()).stream));
    assert.ok(refused(send(fatal()).stream));
    assert.ok(refused(send(calm()).stream), 'the second time it has to wait');
    pass(2000);
    assert.ok(!refused(send(calm()).stream));
    assert.equal(runtime.dump()[0].restarts, 2);
    runtime.stop();
  });

  test('pauses grow while it keeps trapping, and are short again after a healthy minute', () => {
    const { runtime, send, pass } = failing('FAIL_CLOSE');
    const waits = (): number => {
      assert.ok(refused(send(fatal()).stream));
      let waited = 0;
      while (refused(send(calm()).stream)) {
        pass(500);
        waited += 500;
      }
      return waited;
    };
    assert.deepEqual([waits(), waits(), waits()], [1000, 2000, 4000]);
    pass(60_000);
    assert.equal(waits(), 1000);
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
    assert.equal(passed.filter.requestTrailers(Head.response(0)), 'continue');
    passed.filter.done();
    runtime.stop();
  });

  test('a response that the dead filter would have seen is refused; the refusal itself passes', async () => {
    const { runtime, send } = failing('FAIL_CLOSE', BOMB_BOTH_WAYS);
    const waiting = send(calm());
    send(fatal());
    // The response arrives before the others were told.
    assert.equal(waiting.filter.responseHead(Head.response(200), true), 'continue');
    assert.ok(refused(waiting.stream));
    assert.equal(waiting.filter.responseHead(Head.response(503), true), 'continue');
    await turn();
    assert.equal(waiting.stream.replies.length, 1);
    waiting.filter.done();
    runtime.stop();
  });

  test('in a response: the client gets the refusal instead', () => {
    const { runtime, send } = failing('FAIL_CLOSE', BOMB_BOTH_WAYS);
    const { filter, stream } = send(calm());
    stream.responseHead = Head.response(200, fields(2));
    filter.responseHead(stream.responseHead, true);
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
    send(fatal());
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

test('ticks come until they are stopped, and stop with the plugin', async () => {
  const ticking = guest({
    imports: `${env('proxy_set_tick_period_milliseconds', 'i32')}${env('proxy_define_metric', 'i32 i32 i32 i32')}${env('proxy_increment_metric', 'i32 i64')}`,
    body: `(data (i32.const 16) "ticks")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $proxy_define_metric (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 32)))
        (drop (call $proxy_set_tick_period_milliseconds (i32.const 1))) (i32.const 1))
      (func (export "proxy_on_tick") (param i32)
        (drop (call $proxy_increment_metric (i32.load (i32.const 32)) (i64.const 1))))`,
  });
  const { runtime } = runtimeFor();
  const factory = runtime.configure(specFor(ticking));
  const ticks = (): bigint => runtime.metrics()[0].value;
  while (ticks() < 3n) await new Promise((done) => setTimeout(done, 2));
  runtime.retire(factory);
  const seen = ticks();
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(ticks(), seen);
});

test('the plugin that registered a queue hears of what was put into it, after the callback', async () => {
  const listener = guest({
    imports: `${env('proxy_register_shared_queue', 'i32 i32 i32')}${env('proxy_enqueue_shared_queue', 'i32 i32 i32')}${env('proxy_log', 'i32 i32 i32')}`,
    body: `(data (i32.const 16) "queue")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $proxy_register_shared_queue (i32.const 16) (i32.const 5) (i32.const 32))) (i32.const 1))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $proxy_enqueue_shared_queue (i32.load (i32.const 32)) (i32.const 16) (i32.const 2)))
      (func (export "proxy_on_queue_ready") (param i32 i32)
        (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 5))))`,
  });
  const { runtime, lines } = runtimeFor();
  const filter = runtime.configure(specFor(listener)).open(calm(), null);
  assert.equal(filter.requestHead(CALM, true), 'continue');
  assert.equal(told(lines), '');
  await turn();
  assert.equal(told(lines), 'queue');
  runtime.stop();
});
