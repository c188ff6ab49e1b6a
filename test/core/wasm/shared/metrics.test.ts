import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { Status } from '../../../../core/wasm/abi/abi.ts';
import { METRIC_BUCKETS, Metrics, NO_METRIC } from '../../../../core/wasm/shared/metrics.ts';
import { createSharedMemory, releaseDeadShard, type SharedMemory } from '../../../../core/wasm/shared/shared-memory.ts';
import type { SharingTask } from '../sharing.worker.ts';

function thread(task: SharingTask): Worker {
  return new Worker(new URL('../sharing.worker.ts', import.meta.url), { workerData: task });
}

const shards = (memory: SharedMemory, count: number): Metrics[] =>
  Array.from({ length: count }, (_, shard) => new Metrics(memory.metrics, shard));

test('a metric has one id on every shard; its type is part of its name', () => {
  const [first, second] = shards(createSharedMemory(2), 2);
  assert.equal(first.define(0, 'a', 'p'), 1);
  assert.equal(second.define(0, 'b', 'p'), 2);
  assert.equal(first.define(0, 'b', 'p'), 2);
  assert.equal(second.define(0, 'a', 'other plugin'), 1);
  assert.equal(second.define(1, 'a', 'p'), 3);
  assert.equal(first.increment(3, 5n), Status.Ok, 'an id that only another shard has defined so far');
  assert.equal(second.get(3), 5n);
  assert.equal(first.increment(4, 1n), Status.NotFound);
});

test('a counter is the sum of all shards; a gauge is what was set last, with what was added since', () => {
  const memory = createSharedMemory(2);
  const [first, second] = shards(memory, 2);
  const counter = first.define(0, 'c', 'p');
  const gauge = first.define(1, 'g', 'p');
  first.increment(counter, 2n);
  second.record(counter, 5n);
  assert.deepEqual([first.get(counter), second.get(counter)], [7n, 7n]);
  first.record(gauge, 40n);
  second.record(gauge, 10n);
  first.increment(gauge, -3n);
  assert.equal(second.get(gauge), 7n);
  // The shard of index 1, started again.
  const again = new Metrics(memory.metrics, 1);
  again.increment(again.define(0, 'c', 'p'), 1n);
  assert.equal(first.get(counter), 8n);
});

test('a histogram counts in Envoy’s buckets, of all shards', () => {
  const [first, second] = shards(createSharedMemory(2), 2);
  const id = first.define(2, 'h', 'p');
  for (const value of [0n, 1n, 5n, 6n]) first.record(id, value);
  for (const value of [10n, 3_600_000n, 3_600_001n, 2n ** 40n]) second.record(id, value);
  assert.equal(first.get(id), Status.BadArgument);
  assert.equal(first.increment(id, 1n), Status.BadArgument);
  const [{ buckets, value }] = second.all();
  assert.equal(value, 12n + 10n + 3_600_000n + 3_600_001n + 2n ** 40n);
  const counted = Object.fromEntries(
    buckets.map((count, i) => [METRIC_BUCKETS[i] ?? 'more', count]).filter(([, n]) => n),
  );
  assert.deepEqual(counted, { 0.5: 1n, 1: 1n, 5: 1n, 10: 2n, 3600000: 1n, more: 2n });
});

test('names are capped by plugin and in all; what does not fit is taken and not counted', () => {
  const [metrics] = shards(createSharedMemory(1), 1);
  let own = 0;
  while (metrics.define(0, `m${own}`, 'greedy') !== NO_METRIC) own++;
  assert.equal(own, 500);
  assert.equal(metrics.define(0, 'm0', 'greedy'), 1, 'known names stay known');
  const id = metrics.define(0, 'fine', 'modest');
  assert.equal(id, 501);
  let all = 501;
  for (let plugin = 0; plugin < 10; plugin++) {
    for (let i = 0; metrics.define(0, `p${plugin} ${i}`, `p${plugin}`) !== NO_METRIC; i++) all++;
  }
  assert.equal(all, 2000);
  assert.equal(metrics.define(0, 'x'.repeat(2000), 'modest'), NO_METRIC);
  assert.equal(metrics.increment(NO_METRIC, 1n), Status.Ok);
  assert.equal(metrics.record(NO_METRIC, 1n), Status.Ok);
  assert.equal(metrics.get(NO_METRIC), 0n);
  assert.equal(metrics.all().length, 2000);
});

test('histograms end where their slots do', () => {
  const [metrics] = shards(createSharedMemory(1), 1);
  let made = 0;
  while (metrics.define(2, `h${made}`, `p${made % 4}`) !== NO_METRIC) made++;
  assert.equal(made, Math.floor(8192 / (METRIC_BUCKETS.length + 2)));
});

test('four threads that count at once lose no update', async () => {
  const memory = createSharedMemory(4);
  const rounds = 20_000;
  const threads = [0, 1, 2, 3].map((shard) => thread({ memory, shard, does: 'count', rounds }));
  await Promise.all(threads.map((worker) => once(worker, 'exit')));
  const all = new Map(new Metrics(memory.metrics, 0).all().map((metric) => [metric.name, metric]));
  assert.equal(all.get('c')?.value, BigInt(4 * rounds));
  assert.equal(all.get('g')?.value, BigInt(4 * rounds));
  assert.equal(
    all.get('h')?.buckets.reduce((sum, count) => sum + count),
    BigInt(4 * rounds),
  );
  assert.equal(all.get('h')?.value, BigInt((4 * rounds * 99) / 2));
  assert.equal(all.size, 53);
});

test('a shard killed while it holds the lock does not keep the others from defining', async () => {
  const memory = createSharedMemory(3);
  const holder = thread({ memory, shard: 2, does: 'hold', rounds: 0 });
  await once(holder, 'message');
  await holder.terminate();
  releaseDeadShard(memory, 2);
  const [metrics] = shards(memory, 1);
  const id = metrics.define(0, 'after', 'p');
  metrics.increment(id, 1n);
  assert.deepEqual([id, metrics.get(id)], [1, 1n]);
});
