// A shard's thread in the tests of queues and metrics: does as it is told in shared memory, and says when it is done.

import { parentPort, workerData } from 'node:worker_threads';

import { Metrics } from '../../../core/wasm/shared/metrics.ts';
import { Queues } from '../../../core/wasm/shared/queues.ts';
import type { SharedMemory } from '../../../core/wasm/shared/shared-memory.ts';

export interface SharingTask {
  readonly memory: SharedMemory;
  readonly shard: number;
  readonly does: 'enqueue' | 'consume' | 'count' | 'hold';
  readonly rounds: number;
}

const { memory, shard, does, rounds } = workerData as SharingTask;
const say = (message: unknown): void => parentPort!.postMessage(message);

if (does === 'enqueue') {
  const queues = new Queues(memory.queues, shard);
  const id = queues.resolve('vm', 'q');
  for (let i = 0; i < rounds; i++) {
    // Full is no error here: whoever takes out is slower for a while.
    while (queues.enqueue(id, Buffer.from(`${shard} ${i}`)) !== 0)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  say('done');
} else if (does === 'consume') {
  const queues = new Queues(memory.queues, shard);
  const taken: string[] = [];
  let told = 0;
  queues.register('vm', 'q', {
    queueReady(id) {
      told++;
      const value = queues.dequeue(id);
      if (typeof value !== 'number') taken.push(Buffer.from(value).toString());
      if (taken.length === rounds) say({ told, taken });
    },
  });
  say('ready');
  // A thread that only waits for others would end.
  setInterval(() => {}, 1_000_000);
} else if (does === 'count') {
  const metrics = new Metrics(memory.metrics, shard);
  const counter = metrics.define(0, 'c', 'test');
  const gauge = metrics.define(1, 'g', 'test');
  const histogram = metrics.define(2, 'h', 'test');
  for (let i = 0; i < rounds; i++) {
    metrics.increment(counter, 1n);
    metrics.increment(gauge, i % 2 === 0 ? 3n : -1n);
    metrics.record(histogram, BigInt(i % 100));
    metrics.define(0, `of ${i % 50}`, 'test');
  }
  say('done');
} else {
  for (const arena of [memory.queues, memory.metrics.names]) Atomics.store(new Int32Array(arena), 0, shard + 1);
  say('held');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}
