import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { Status } from '../../../../core/wasm/abi/abi.ts';
import { NO_QUEUE, Queues } from '../../../../core/wasm/shared/queues.ts';
import { createSharedMemory, releaseDeadShard, type SharedMemory } from '../../../../core/wasm/shared/shared-memory.ts';
import type { SharingTask } from '../sharing.worker.ts';

function thread(task: SharingTask): Worker {
  return new Worker(new URL('../sharing.worker.ts', import.meta.url), { workerData: task });
}

const text = (value: Uint8Array | number): string | number =>
  typeof value === 'number' ? value : Buffer.from(value).toString();

/** An owner that counts, and a promise for when it was told often enough. */
function owner(enough = 1) {
  const told: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    told,
    heard: promise,
    queueReady(id: number) {
      told.push(id);
      if (told.length === enough) resolve();
    },
  };
}

const shards = (memory: SharedMemory, count: number): Queues[] =>
  Array.from({ length: count }, (_, shard) => new Queues(memory.queues, shard));

test('a queue has one id on every shard, whoever registers it and however often', () => {
  const [first, second] = shards(createSharedMemory(2), 2);
  const id = first.register('vm', 'q', null);
  assert.equal(id, 1);
  assert.equal(second.register('vm', 'q', null), id);
  assert.equal(second.resolve('vm', 'q'), id);
  assert.equal(first.register('other', 'q', null), 2);
  assert.equal(first.register('v', 'mq', null), 3, '"v" + "mq" is not "vm" + "q"');
  assert.equal(second.resolve('vm', 'missing'), 0);
});

test('values come out in order, on any shard, and a queue that was never registered is not found', () => {
  const [first, second] = shards(createSharedMemory(2), 2);
  const id = first.register('vm', 'q', null);
  for (const value of ['a', '', 'c']) assert.equal(second.enqueue(id, Buffer.from(value)), Status.Ok);
  assert.deepEqual([text(first.dequeue(id)), text(second.dequeue(id)), text(first.dequeue(id))], ['a', '', 'c']);
  assert.equal(first.dequeue(id), Status.Empty);
  for (const unknown of [0, 2, -1, NO_QUEUE]) {
    assert.equal(first.enqueue(unknown, Buffer.from('x')), Status.NotFound);
    assert.equal(first.dequeue(unknown), Status.NotFound);
  }
});

test('who registered last is told of each value once, on a turn of its own, and nobody else', async () => {
  const [first, second] = shards(createSharedMemory(2), 2);
  const early = owner();
  const late = owner(3);
  const id = first.register('vm', 'q', early);
  second.register('vm', 'q', late);
  for (let i = 0; i < 3; i++) first.enqueue(id, Buffer.from('x'));
  assert.deepEqual(late.told, []);
  await late.heard;
  assert.deepEqual([late.told, early.told], [[id, id, id], []]);
  for (const queues of [first, second]) queues.stop();
});

test('an owner that left is not told; who registers next learns of everything that waits', async () => {
  const memory = createSharedMemory(2);
  const [first, second] = shards(memory, 2);
  const gone = owner();
  const id = first.register('vm', 'q', gone);
  first.leave(gone);
  second.enqueue(id, Buffer.from('a'));
  second.enqueue(id, Buffer.from('b'));
  // The same shard, started again: another thread under the same number.
  const heir = owner(2);
  const again = new Queues(memory.queues, 0);
  again.register('vm', 'q', heir);
  await heir.heard;
  assert.deepEqual([heir.told, gone.told], [[id, id], []]);
  for (const queues of [first, second, again]) queues.stop();
});

test('queues are bounded in number, entries and bytes', () => {
  const [queues] = shards(createSharedMemory(1), 1);
  const id = queues.register('vm', 'q', null);
  let entries = 0;
  while (queues.enqueue(id, Buffer.alloc(0)) === Status.Ok) entries++;
  assert.equal(entries, 4096);
  assert.deepEqual(queues.dequeue(id), new Uint8Array(0));
  assert.equal(queues.enqueue(id, Buffer.alloc(0)), Status.Ok, 'room again');
  const bytes = queues.register('vm', 'bytes', null);
  let large = 0;
  while (queues.enqueue(bytes, Buffer.alloc(100_000)) === Status.Ok) large++;
  assert.equal(large, 10);
  let names = 2;
  while (queues.register('vm', `name ${names}`, null) !== NO_QUEUE) names++;
  assert.equal(names, 256);
  assert.equal(queues.register('vm', 'x'.repeat(2000), null), NO_QUEUE);
});

test('a queue that is used for ever takes no more room', () => {
  const [queues] = shards(createSharedMemory(1), 1);
  const id = queues.register('vm', 'q', null);
  for (let i = 0; i < 30_000; i++) {
    assert.equal(queues.enqueue(id, Buffer.alloc(i % 1000)), Status.Ok);
    if (i % 3 === 2)
      for (let k = 0; k < 3; k++) assert.equal((queues.dequeue(id) as Uint8Array).length, (i - 2 + k) % 1000);
  }
});

test('four threads put in, a fifth is told of each value and takes it: none is lost, each shard’s are in order', async () => {
  const memory = createSharedMemory(5);
  const rounds = 2000;
  const consumer = thread({ memory, shard: 0, does: 'consume', rounds: 4 * rounds });
  await once(consumer, 'message');
  const result = once(consumer, 'message');
  for (const shard of [1, 2, 3, 4]) thread({ memory, shard, does: 'enqueue', rounds });
  const [{ taken }] = (await result) as [{ told: number; taken: string[] }];
  for (const shard of [1, 2, 3, 4]) {
    const own = taken.filter((value) => value.startsWith(`${shard} `));
    assert.deepEqual(
      own,
      Array.from({ length: rounds }, (_, i) => `${shard} ${i}`),
    );
  }
  await consumer.terminate();
});

test('a shard that is started again registers, and is told of what came while it was gone', async () => {
  const memory = createSharedMemory(2);
  const producer = new Queues(memory.queues, 1);
  const first = thread({ memory, shard: 0, does: 'consume', rounds: 1 });
  await once(first, 'message');
  const id = producer.resolve('vm', 'q');
  producer.enqueue(id, Buffer.from('one'));
  assert.deepEqual((await once(first, 'message'))[0], { told: 1, taken: ['one'] });
  await first.terminate();
  releaseDeadShard(memory, 0);
  for (const value of ['two', 'three']) producer.enqueue(id, Buffer.from(value));
  const second = thread({ memory, shard: 0, does: 'consume', rounds: 3 });
  await once(second, 'message');
  producer.enqueue(id, Buffer.from('four'));
  const [{ taken }] = (await once(second, 'message')) as [{ taken: string[] }];
  assert.deepEqual(taken, ['two', 'three', 'four']);
  await second.terminate();
});

test('a shard killed while it holds the lock, or at any moment, leaves a queue that the others can use', async () => {
  const memory = createSharedMemory(3);
  const queues = new Queues(memory.queues, 0);
  const id = queues.register('vm', 'q', null);
  const holder = thread({ memory, shard: 2, does: 'hold', rounds: 0 });
  await once(holder, 'message');
  await holder.terminate();
  releaseDeadShard(memory, 2);
  assert.equal(queues.enqueue(id, Buffer.from('after')), Status.Ok);
  assert.equal(text(queues.dequeue(id)), 'after');
  for (let round = 0; round < 6; round++) {
    const producer = thread({ memory, shard: 1, does: 'enqueue', rounds: 1e9 });
    let next = -1;
    for (let taken = 0; taken < 50; ) {
      const value = text(queues.dequeue(id));
      if (value === Status.Empty) {
        await delay(1);
        continue;
      }
      // One that is killed may have lost its last value, and none before.
      assert.ok(Number(String(value).split(' ')[1]) > next || next > 40, `${value} after ${next}`);
      next = Number(String(value).split(' ')[1]);
      taken++;
    }
    await producer.terminate();
    releaseDeadShard(memory, 1);
    while (queues.dequeue(id) !== Status.Empty);
  }
  assert.equal(queues.enqueue(id, Buffer.from('whole')), Status.Ok);
  assert.equal(text(queues.dequeue(id)), 'whole');
  assert.equal(queues.dequeue(id), Status.Empty);
});
