import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { vmScope } from '../../../../core/wasm/abi/vm-scope.ts';
import { Queues } from '../../../../core/wasm/shared/queues.ts';
import { createSharedMemory } from '../../../../core/wasm/shared/shared-memory.ts';
import { CONFIGURE, filter } from '../../../plugins/wat.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const INVALID_MEMORY_ACCESS = 6;
const EMPTY = 7;
const CAS_MISMATCH = 8;

describe('shared data, queues and metrics', () => {
  test('a value is stored, read with its number, and only replaced by who knows that number', () => {
    const calls = new Calls();
    const set = (value: string, cas: number) =>
      calls.env('proxy_set_shared_data', ...calls.put('k'), ...calls.put(value), cas);
    const get = () => calls.env('proxy_get_shared_data', ...calls.put('k'), ...calls.out, 80);
    assert.equal(get(), NOT_FOUND);
    assert.equal(set('one', 0), OK);
    assert.equal(get(), OK);
    assert.deepEqual([calls.given(), calls.u32(80)], ['one', 1]);
    assert.equal(set('two', 1), OK);
    assert.equal(set('three', 1), CAS_MISMATCH);
    assert.equal(get(), OK);
    assert.deepEqual([calls.given(), calls.u32(80)], ['two', 2]);
    assert.equal(set('', 0), OK);
    assert.equal(get(), OK);
    assert.equal(calls.given(), '');
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_get_shared_data', bad, 8, ...calls.out, 80), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_shared_data', ...calls.put('k'), ...calls.out, bad), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_shared_data', bad, 8, 0, 0, 0), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_shared_data', 0, 1, bad, 8, 0), INVALID_MEMORY_ACCESS);
    }
  });

  test('a virtual machine that plugins of a namespace name is theirs, and not another namespace’s', () => {
    assert.equal(vmScope('shop/sender', 'workers'), vmScope('shop/receiver', 'workers'));
    assert.notEqual(vmScope('shop/sender', 'workers'), vmScope('bank/sender', 'workers'));
    assert.equal(vmScope('shop/sender', 'Plugin/shop/other'), 'Plugin/shop/other', 'what proxies name is named whole');
    assert.deepEqual([vmScope('sender', 'workers'), vmScope('shop/sender', '')], ['workers', '']);
  });

  test('a queue has one id by its name, gives what was put in, in order', () => {
    const calls = new Calls(guest(), new TestStream(), { vmId: 'v' });
    const id = (name: string, ...of: string[]): number => {
      assert.equal(calls.env(name, ...of.flatMap((one) => calls.put(one)), 80), OK);
      return calls.u32(80);
    };
    const queue = id('proxy_register_shared_queue', 'q');
    assert.equal(id('proxy_register_shared_queue', 'q'), queue);
    assert.equal(id('proxy_resolve_shared_queue', 'v', 'q'), queue);
    assert.equal(calls.env('proxy_resolve_shared_queue', ...calls.put('w'), ...calls.put('q'), 80), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), EMPTY);
    for (const value of ['a', 'b'])
      assert.equal(calls.env('proxy_enqueue_shared_queue', queue, ...calls.put(value)), OK);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), OK);
    assert.equal(calls.given(), 'a');
    assert.equal(calls.env('proxy_enqueue_shared_queue', 99, ...calls.put('x')), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', 99, ...calls.out), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, FAR, 64), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), OK, 'a bad pointer loses nothing');
    assert.equal(calls.given(), 'b');
    assert.equal(calls.env('proxy_register_shared_queue', FAR, 1, 80), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_enqueue_shared_queue', queue, FAR, 1), INVALID_MEMORY_ACCESS);
  });

  test('metrics: one id a name; counters only rise, recording on one adds, gauges are set', () => {
    const calls = new Calls();
    const define = (type: number, name: string): number => {
      assert.equal(calls.env('proxy_define_metric', type, ...calls.put(name), 80), OK);
      return calls.u32(80);
    };
    const value = (id: number): bigint | number | undefined => {
      const status = calls.env('proxy_get_metric', id, 64);
      return status === OK ? calls.u64() : status;
    };
    const counter = define(0, 'c');
    const gauge = define(1, 'g');
    const histogram = define(2, 'h');
    assert.equal(define(0, 'c'), counter);
    assert.equal(calls.env('proxy_increment_metric', counter, 3n), OK);
    assert.equal(calls.env('proxy_increment_metric', counter, -1n), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_increment_metric', counter, 0n), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_record_metric', counter, 4n), OK);
    assert.equal(value(counter), 7n);
    assert.equal(calls.env('proxy_record_metric', gauge, 40n), OK);
    assert.equal(calls.env('proxy_increment_metric', gauge, -2n), OK);
    assert.equal(value(gauge), 38n);
    assert.equal(calls.env('proxy_record_metric', histogram, 1n), OK);
    assert.equal(value(histogram), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_increment_metric', histogram, 1n), BAD_ARGUMENT);
    assert.equal(value(99), NOT_FOUND);
    assert.equal(calls.env('proxy_increment_metric', 0, 1n), NOT_FOUND);
    assert.equal(calls.env('proxy_define_metric', 7, ...calls.put('x'), 80), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_define_metric', 0, FAR, 1, 80), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_metric', counter, WRAPPING), INVALID_MEMORY_ACCESS);
    assert.deepEqual(
      calls.runtime.metrics().map(({ name, value: of }) => [name, of]),
      [
        ['c', 7n],
        ['g', 38n],
        ['h', 1n],
      ],
    );
  });
});

describe('a plugin that registers a queue', () => {
  /** Registers "q", counts what it is told in a metric, and dies when a value is longer than one byte. */
  const LISTENER = filter(
    `${CONFIGURE}
      (drop (call $proxy_register_shared_queue (TEXT queue) (i32.const 64)))
      (drop (call $proxy_define_metric (i32.const 0) (TEXT told) (i32.const 68)))
      (i32.const 1))
    (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
      (if (call $proxy_dequeue_shared_queue (local.get $queue) (i32.const 72) (i32.const 76)) (then (return)))
      (if (i32.gt_u (i32.load (i32.const 76)) (i32.const 1)) (then (unreachable)))
      (drop (call $proxy_increment_metric (i32.load (i32.const 68)) (i64.const 1))))`,
    {
      texts: { queue: 'q', told: 'told' },
      imports: [
        ['proxy_register_shared_queue', 'i32 i32 i32'],
        ['proxy_define_metric', 'i32 i32 i32 i32'],
        ['proxy_dequeue_shared_queue', 'i32 i32 i32'],
        ['proxy_increment_metric', 'i32 i64'],
      ],
    },
  );

  /** Two shards, of which the first has the listener; what the second puts in. */
  function pair() {
    let now = 1_000_000;
    const shared = createSharedMemory(2, 256 * 1024);
    const [first, second] = [0, 1].map((shard) => runtimeFor({ shared, shard, now: () => now }).runtime);
    const plugin = first.configure(specFor(LISTENER, { name: 'listener' }));
    const sender = new Queues(shared.queues, 1);
    const send = (...values: string[]): void => {
      for (const value of values) assert.equal(sender.enqueue(sender.resolve('', 'q'), Buffer.from(value)), OK);
    };
    const told = async (count: bigint): Promise<void> => {
      while (second.metrics()[0].value < count) await turn();
    };
    const pass = (ms: number): void => {
      now += ms;
    };
    const stop = (): void => [first, second].forEach((runtime) => void runtime.stop());
    return { first, plugin, send, told, pass, stop };
  }

  test('is told of what another shard puts in, though a configuration is tried out meanwhile', async () => {
    const { first, send, told, stop } = pair();
    send('a', 'b');
    await told(2n);
    first.configure(specFor(LISTENER, { name: 'second' }));
    send('c');
    await told(3n);
    stop();
  });

  test('and dies is told, in its next life, of what is still there', async () => {
    const { first, plugin, send, told, pass, stop } = pair();
    send('deadly');
    // A first death has no pause: the next life may have begun before this turn sees the death.
    const died = (): boolean => !first.dump()[0].running || first.dump()[0].restarts > 0;
    while (!died()) await turn();
    send('a', 'b', 'c');
    pass(1000);
    plugin.open(new TestStream(), null);
    await told(3n);
    stop();
  });
});

describe('logging and time', () => {
  test('messages below the level are not looked at, others are logged with the plugin’s name', () => {
    const calls = new Calls();
    calls.runtime.logLevel = 'warning';
    assert.equal(calls.env('proxy_log', 2, FAR, 99), OK, 'not even its pointer');
    assert.equal(calls.env('proxy_log', 3, ...calls.put(Buffer.from('grün'))), OK);
    assert.equal(calls.env('proxy_log', 5, FAR, 99), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_log', 6, ...calls.put('x')), BAD_ARGUMENT);
    assert.deepEqual(calls.lines, [{ level: 'warning', message: 'test: grün' }]);
    assert.equal(calls.env('proxy_get_log_level', 64), OK);
    assert.equal(calls.u32(), 3);
    assert.equal(calls.env('proxy_get_log_level', WRAPPING), INVALID_MEMORY_ACCESS);
  });

  test('the time is in nanoseconds', () => {
    const calls = new Calls();
    const before = Date.now();
    assert.equal(calls.env('proxy_get_current_time_nanoseconds', 64), OK);
    const ms = Number(calls.u64() / 1_000_000n);
    assert.ok(ms >= before && ms <= Date.now());
    assert.equal(calls.env('proxy_get_current_time_nanoseconds', FAR), INVALID_MEMORY_ACCESS);
  });
});
