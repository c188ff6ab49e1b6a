import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { Timers } from '../../../../core/timers.ts';
import { DEFAULT_LIMITS } from '../../../../core/wasm/guest/spec.ts';
import { meter } from '../../../../core/wasm/meter/meter.ts';
import { guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

/** Each callback turns 10,000 times. */
const WORK = guest({
  body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $i i32) (local.set $i (i32.const 10000))
    (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $l (local.get $i))) (i32.const 0))`,
});

const LOOP = guest({
  body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (loop $l (br $l)) (i32.const 0))`,
});

const TRAP = guest({
  body: '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))',
});

function running(bytes: Uint8Array, fuel: { callback: number; stream: number; second: number }) {
  let ms = 0;
  const restarted: [string, string][] = [];
  const timers = new Timers(20, () => ms);
  timers.stop();
  const { runtime, lines } = runtimeFor({
    fuel: { start: 1_000_000, ...fuel },
    timers,
    now: () => ms,
    restarted: (plugin, reason) => void restarted.push([plugin, reason]),
  });
  const factory = runtime.configure(specFor(meter(bytes).bytes as Uint8Array<ArrayBuffer>));
  return {
    runtime,
    lines,
    restarted,
    open() {
      const stream = new TestStream();
      const filter = factory.open(stream, null);
      return { stream, run: () => filter.head('request', stream.requestHead, true) };
    },
    pass(by: number) {
      ms += by;
      timers.advance();
    },
  };
}

const PLENTY = 100_000_000;

suite('what a metered guest may spend', () => {
  test('a stream whose callbacks are each small is ended by what they take together', () => {
    const { runtime, lines, open } = running(WORK, { callback: 100_000, stream: 250_000, second: PLENTY });
    const { stream, run } = open();
    let turns = 0;
    while (turns < 50 && stream.replies.length === 0) {
      run();
      turns++;
    }
    assert.ok(turns > 1 && turns < 50, `ended in callback ${turns}`);
    assert.match(lines.at(-1)!.message, /its fuel for one stream is spent/);
    assert.equal(stream.replies[0].status, 503);
    runtime.stop();
  });

  test("a plugin's own limit for one callback takes the place of the proxy's", () => {
    const bytes = meter(WORK).bytes as Uint8Array<ArrayBuffer>;
    const ends = (fuelPerCallback: number): boolean => {
      const fuel = { start: 1_000_000, callback: 20_000, stream: 30_000, second: PLENTY };
      const { runtime } = runtimeFor({ fuel });
      const limits = { ...DEFAULT_LIMITS, fuelPerCallback };
      const stream = new TestStream();
      runtime.configure(specFor(bytes, { limits })).open(stream, null).head('request', stream.requestHead, true);
      runtime.stop();
      return stream.replies.length > 0;
    };
    assert.deepEqual([ends(1_000), ends(1_000_000)], [true, false]);
  });

  test('many streams together may not take more than their second', () => {
    const { runtime, lines, open } = running(WORK, { callback: 100_000, stream: 250_000, second: 300_000 });
    let refused = 0;
    for (let i = 0; i < 20 && refused === 0; i++) {
      const { stream, run } = open();
      run();
      refused += stream.replies.length;
    }
    assert.equal(refused, 1);
    assert.match(lines.at(-1)!.message, /its fuel for one second is spent/);
    runtime.stop();
  });

  test('the same streams spread over seconds are served', () => {
    const { runtime, open, pass } = running(WORK, { callback: 100_000, stream: 250_000, second: 300_000 });
    for (let i = 0; i < 20; i++) {
      const { stream, run } = open();
      run();
      assert.equal(stream.replies.length, 0);
      pass(1000);
    }
    runtime.stop();
  });
});

suite('guests that die', () => {
  test('the restart is counted with its reason', () => {
    for (const [bytes, reason] of [
      [LOOP, 'fuel'],
      [TRAP, 'trap'],
    ] as const) {
      const { runtime, restarted, open, pass } = running(bytes, { callback: 100_000, stream: PLENTY, second: PLENTY });
      open().run();
      assert.deepEqual(restarted, []);
      pass(2000);
      open();
      assert.deepEqual(restarted, [['test', reason]]);
      runtime.stop();
    }
  });

  test('who crashes again and again is tried once a minute, and says so', () => {
    const { runtime, lines, open, pass } = running(TRAP, { callback: 100_000, stream: PLENTY, second: PLENTY });
    for (let crash = 1; crash <= 5; crash++) {
      const { stream, run } = open();
      run();
      assert.equal(stream.replies.length, 1);
      assert.equal(runtime.dump()[0].broken, crash === 5);
      if (crash < 5) pass(20_000);
    }
    assert.ok(lines.some(({ message }) => /crashed 5 times in a row: tried again once a minute/.test(message)));
    pass(59_000);
    open();
    assert.equal(runtime.dump()[0].running, false, 'not before its minute is over');
    pass(2_000);
    open();
    assert.equal(runtime.dump()[0].running, true);
    runtime.stop();
  });
});
