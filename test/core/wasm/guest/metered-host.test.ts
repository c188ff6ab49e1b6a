import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';

import { buildFilters } from '../../../../asbuild/build.ts';
import { OUT } from '../../../../asbuild/manifest.ts';
import { faultConfig } from '../../../../core/builtins/fault/fault.ts';
import { Head } from '../../../../core/http/head.ts';
import { mapPairs } from '../../../../core/http/pseudo-headers.ts';
import { PluginRefused } from '../../../../core/wasm/guest/traps.ts';
import { meter } from '../../../../core/wasm/meter/meter.ts';
import { fixtureFilter } from '../../../filters/fixture.ts';
import { guest } from '../guests.ts';
import { plain, runtimeFor, specFor, TestStream } from '../harness.ts';

const FUEL = { start: 1_000_000, callback: 100_000, stream: 1_000_000, second: 10_000_000 };

suite('a metered guest in the host', () => {
  const { runtime, lines } = runtimeFor({ fuel: FUEL });
  after(() => runtime.stop());

  const open = (body: string) => {
    const factory = runtime.configure(specFor(meter(guest({ body })).bytes));
    const stream = new TestStream();
    return { stream, filter: factory.open(stream, null) };
  };

  test('an endless loop in a callback is a trap that says why, and the request is refused', () => {
    const { stream, filter } = open(`(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (loop $l (br $l)) (i32.const 0))`);
    assert.equal(filter.head('request', stream.requestHead, true), 'pause');
    assert.match(
      lines.at(-1)?.message ?? '',
      /trapped in proxy_on_request_headers: ran for too long: its fuel for one callback is spent/,
    );
    assert.equal(stream.replies[0].status, 503);
  });

  test('endless recursion is a trap', () => {
    const { stream, filter } = open(`(func $f (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $f (local.get 0) (local.get 1) (local.get 2)))`);
    assert.equal(filter.head('request', stream.requestHead, true), 'pause');
    assert.match(lines.at(-1)?.message ?? '', /its fuel for one callback is spent|stack exhausted/);
  });

  test('every callback has its fuel anew', () => {
    const { stream, filter } = open(`(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (local $i i32) (local.set $i (i32.const 5000))
      (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $l (local.get $i))) (i32.const 0))`);
    for (let i = 0; i < 20; i++) assert.equal(filter.head('request', stream.requestHead, true), 'continue');
  });

  test('an endless loop while it starts or is configured is a refusal', () => {
    for (const name of ['_initialize', 'proxy_on_configure']) {
      const [params, result] = name === '_initialize' ? ['', ''] : ['(param i32 i32)', '(result i32)'];
      const bytes = guest({ body: `(func (export "${name}") ${params} ${result} (loop $l (br $l)) (unreachable))` });
      assert.throws(
        () => runtime.configure(specFor(meter(bytes).bytes)),
        (error) => error instanceof PluginRefused && /its fuel for starting is spent/.test(error.message),
      );
    }
  });

  test('a start section runs when the host can read what it logs', () => {
    const bytes = guest({
      imports: '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))',
      body: '(data (i32.const 64) "early") (func $s (drop (call $log (i32.const 2) (i32.const 64) (i32.const 5)))) (start $s)',
    });
    runtime.configure(specFor(meter(bytes).bytes));
    assert.ok(lines.some(({ message }) => message.endsWith('early')));
  });
});

suite('our filters do the same when they are metered', () => {
  const teapot = faultConfig({ abort: { httpStatus: 418, percentage: { value: 100 } } }).bytes;

  /** All that one exchange with a filter leaves behind. */
  const exchange = (bytes: Uint8Array<ArrayBuffer>, configured: Uint8Array) => {
    const { runtime, lines } = runtimeFor({ random: (into) => void into.fill(7), now: () => 1_700_000_000_000 });
    try {
      const request = Head.request('POST', 'reviews:9080', '/reviews/0?x=1', [
        ['user-agent', 'curl/8'],
        ['cookie', 'user=jason'],
        ['x-request-id', 'abc'],
      ]);
      const stream = new TestStream(request);
      const outcome: unknown[] = [];
      try {
        const filter = runtime.configure(specFor(bytes, { configuration: configured })).open(stream, plain(configured));
        outcome.push(filter.head('request', request, false));
        stream.responseHead = Head.response(200, [['server', 'x']]);
        outcome.push(filter.head('response', stream.responseHead, true));
        filter.done();
      } catch (error) {
        if (!(error instanceof PluginRefused)) throw error;
        outcome.push(error.message);
      }
      const response = stream.responseHead === null ? [] : mapPairs(stream.responseHead, 'response');
      return {
        outcome,
        request: mapPairs(request, 'request'),
        response,
        replies: stream.replies,
        delays: stream.delays,
        flags: stream.flags,
        // Where in the code a trap happened is another place when it is metered.
        lines: lines.map(({ level, message }) => [level, message.replace(/:0x[0-9a-f]+/g, '')]),
      };
    } finally {
      runtime.stop();
    }
  };

  test('the built-in ones, with what they accept and what they refuse', async () => {
    const { filters } = await buildFilters();
    for (const { name } of filters) {
      const bytes = new Uint8Array(readFileSync(join(OUT, `${name}.wasm`)));
      for (const configured of [teapot, Buffer.alloc(0), Buffer.from('[]')]) {
        const unmetered = exchange(bytes, configured);
        assert.deepEqual(exchange(meter(bytes).bytes, configured), unmetered, name);
        if (name === 'fault' && configured === teapot) assert.equal(unmetered.replies[0].status, 418);
      }
    }
  });

  test('the example of the SDK', async () => {
    const wasm = await fixtureFilter('example/index.ts');
    const bytes = new Uint8Array(wasm);
    const plain = exchange(bytes, Buffer.alloc(0));
    assert.deepEqual(exchange(meter(bytes).bytes, Buffer.alloc(0)), plain);
    assert.ok(plain.request.length > 0);
  });
});
