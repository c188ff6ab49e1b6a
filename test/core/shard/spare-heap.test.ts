import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { giveBackSpareHeap } from '../../../core/shard/spare-heap.ts';

test('a thread that has become idle gives back what its heap had grown to', async () => {
  let rows: number[][] | null = Array.from({ length: 200_000 }, (_, i) => [i, i + 1, i + 2, i + 3]);
  assert.equal(rows.at(-1)![3], 200_002);
  rows = null;
  const held = getHeapStatistics().total_physical_size;
  const stop = giveBackSpareHeap(20);
  while (getHeapStatistics().total_physical_size > held - (10 << 20)) await delay(20);
  stop();
  assert.equal((globalThis as { gc?: unknown }).gc, undefined);
});
