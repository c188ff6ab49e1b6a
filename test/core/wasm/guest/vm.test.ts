import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';

import { BodyBuffer } from '../../../../core/exchange/body-buffer.ts';
import type { FilterFactory } from '../../../../core/exchange/filter.ts';
import { Head } from '../../../../core/http/head.ts';
import { env, guest } from '../guests.ts';
import { type LogLine, plain, runtimeFor, specFor, TestStream } from '../harness.ts';

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
  filter.head('request', stream.requestHead, false);
  filter.body('request', new BodyBuffer(), true);
  stream.responseHead = Head.response(200);
  filter.head('response', stream.responseHead, false);
  filter.body('response', new BodyBuffer(), false);
  filter.trailers('response', Head.response(0));
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
      request: { head: false, body: false },
      response: { head: true, body: false },
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
    assert.equal(factory.wants.request.head, true);
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    assert.equal(filter.head('request', stream.requestHead, true), 'continue');
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
});

describe('several plugins in one machine', () => {
  test('the same code with another configuration is a new root in the same instance; only the first starts the machine', () => {
    const { runtime, lines } = runtimeFor();
    const spec = specFor(diary(), { proven: true });
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
    for (const builtin of [plain(Buffer.alloc(0)), null]) {
      const { runtime } = runtimeFor();
      const spec = specFor(picky, { builtin });
      const factory = runtime.configure(spec);
      assert.throws(() => runtime.configure({ ...spec, configuration: Buffer.alloc(3) }), /refused its configuration/);
      if (builtin === null)
        assert.throws(() => runtime.configure({ ...spec, configuration: Buffer.alloc(4) }), /trapped/);
      const stream = new TestStream();
      assert.equal(factory.open(stream, null).head('request', stream.requestHead, true), 'continue');
      assert.equal(runtime.dump().length, 1);
      runtime.stop();
    }
  });

  test('a retired plugin stays until its last stream has ended, then it is done and deleted, and so is the machine', () => {
    const { runtime, lines } = runtimeFor();
    const factory = runtime.configure(specFor(diary()));
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    filter.head('request', stream.requestHead, true);
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
  while (ticks() < 3n) await delay(2);
  runtime.retire(factory);
  const seen = ticks();
  await delay(20);
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
  const stream = new TestStream();
  const filter = runtime.configure(specFor(listener)).open(stream, null);
  assert.equal(filter.head('request', stream.requestHead, true), 'continue');
  assert.equal(told(lines), '');
  await turn();
  assert.equal(told(lines), 'queue');
  runtime.stop();
});
