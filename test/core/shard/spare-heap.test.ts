import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { giveBackSpareHeap } from '../../../core/shard/spare-heap.ts';

test('a thread that has become idle gives back what its heap had grown to', async () => {
  let rows: number[][] | null = Array.from({ length: 200_000 }, (_, i) => [i, i + 1, i + 2, i + 3]);
  assert.equal(rows.at(-1)![3], 200_002);
  rows = null;
  const held = getHeapStatistics().total_physical_size;
  const stop = giveBackSpareHeap(20);
  while (getHeapStatistics().total_physical_size > held - (10 << 20)) await delay(20);
  stop();
});

test('threads that give back at the same moment are not in each other’s way', async () => {
  const module = JSON.stringify(new URL('../../../core/shard/spare-heap.ts', import.meta.url).href);
  const source = `import(${module}).then(({ collect }) => { for (let i = 0; i < 15; i++) collect(); })`;
  const threads = Array.from({ length: 4 }, () => new Worker(source, { eval: true }));
  const ends = await Promise.all(threads.map((thread) => once(thread, 'exit')));
  assert.deepEqual(ends.flat(), [0, 0, 0, 0]);
});
