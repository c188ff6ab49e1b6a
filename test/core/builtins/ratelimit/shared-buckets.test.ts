import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { createBuckets, releaseDeadBuckets, TokenBuckets } from '../../../../core/builtins/ratelimit/shared-buckets.ts';
import type { BucketTask } from '../../wasm/buckets.worker.ts';

const SETS = 8192;
const WAYS = 8;

/** A key whose fingerprint falls into the first set. */
function take(buckets: TokenBuckets, key: number, rate: { tokens: number; tokenMs: number }, now: number): string {
  return buckets.take(key * SETS, key, rate, now);
}

test('a bucket holds its tokens, and gets one back every so often', () => {
  const buckets = new TokenBuckets(createBuckets(), 0);
  const rate = { tokens: 3, tokenMs: 100 };
  const taken = (now: number): string => take(buckets, 1, rate, now);
  assert.deepEqual([taken(5), taken(5), taken(5), taken(5)], ['taken', 'taken', 'taken', 'empty']);
  assert.equal(buckets.waitMs, 100);
  assert.equal(taken(104), 'empty');
  assert.equal(buckets.waitMs, 1);
  assert.equal(taken(105), 'taken');
  assert.equal(taken(105), 'empty');
  assert.deepEqual([taken(1000), buckets.remaining], ['taken', 2]);
  assert.deepEqual([taken(1000), buckets.remaining, buckets.waitMs], ['taken', 1, 0]);
  assert.deepEqual([taken(1000), buckets.remaining, buckets.waitMs], ['taken', 0, 100]);
});

test('a token that is given back can be taken again', () => {
  const buckets = new TokenBuckets(createBuckets(), 0);
  const rate = { tokens: 1, tokenMs: 1000 };
  assert.equal(take(buckets, 1, rate, 10), 'taken');
  assert.equal(take(buckets, 1, rate, 10), 'empty');
  buckets.giveBack(SETS, 1, rate);
  assert.equal(take(buckets, 1, rate, 10), 'taken');
});

test('a clock of another shard that is a little behind refills nothing twice', () => {
  const memory = createBuckets();
  const [one, other] = [new TokenBuckets(memory, 0), new TokenBuckets(memory, 1)];
  const rate = { tokens: 2, tokenMs: 10 };
  assert.equal(take(one, 1, rate, 1000), 'taken');
  assert.equal(take(other, 1, rate, 990), 'empty');
  assert.equal(take(other, 1, rate, 1000), 'taken');
  assert.equal(take(one, 1, rate, 1000), 'empty');
});

test('a changed rate goes on from what was used, and at most all of it is missing', () => {
  const buckets = new TokenBuckets(createBuckets(), 0);
  const hourly = { tokens: 2, tokenMs: 1_800_000 };
  take(buckets, 1, hourly, 10);
  take(buckets, 1, hourly, 10);
  const quick = { tokens: 5, tokenMs: 100 };
  assert.equal(take(buckets, 1, quick, 10), 'empty');
  assert.equal(buckets.waitMs, 100);
});

test('full buckets make room; a key that finds none takes over the fullest with what that one lacks', () => {
  const buckets = new TokenBuckets(createBuckets(), 0);
  const rate = { tokens: 10, tokenMs: 100 };
  for (let key = 1; key <= WAYS; key++)
    for (let i = 0; i <= key; i++) assert.equal(take(buckets, key, rate, 10), 'taken');
  assert.equal(buckets.evictions, 0);
  // The first key had used 2 of 10; whoever pushes it out begins with 8, and it comes back to what the next one lacks.
  assert.equal(take(buckets, 100, rate, 10), 'taken');
  assert.deepEqual([buckets.evictions, buckets.remaining], [1, 7]);
  assert.equal(take(buckets, 1, rate, 10), 'taken');
  assert.deepEqual([buckets.evictions, buckets.remaining], [2, 6]);
  // All are full again after a while: nobody is pushed out.
  for (let key = 200; key < 200 + WAYS; key++) assert.equal(take(buckets, key, rate, 10_000), 'taken');
  assert.equal(buckets.evictions, 2);
});

test('no key gets more than its tokens, however many others there are', () => {
  const buckets = new TokenBuckets(createBuckets(), 0);
  const rate = { tokens: 5, tokenMs: 1e9 };
  const taken = new Map<number, number>();
  let random = 1;
  for (let i = 0; i < 20_000; i++) {
    random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
    const key = (random >> 8) % 40;
    if (take(buckets, key, rate, 1) === 'taken') taken.set(key, (taken.get(key) ?? 0) + 1);
  }
  assert.ok(Math.max(...taken.values()) <= 5, JSON.stringify([...taken]));
});

test('shards that take at the same time never take one token twice', async () => {
  const memory = createBuckets();
  const taken = new SharedArrayBuffer(64 * 4);
  const task = { memory, keys: 64, rounds: 3000, tokens: 5000, taken };
  const threads = [0, 1, 2].map(
    (shard) =>
      new Worker(new URL('../../wasm/buckets.worker.ts', import.meta.url), {
        workerData: { ...task, shard } satisfies BucketTask,
      }),
  );
  await Promise.all(threads.map((worker) => once(worker, 'exit')));
  // 9000 asked for each.
  assert.deepEqual([...new Int32Array(taken)], new Array(64).fill(5000));
});

test('what a dead shard held is freed, and until then nobody hangs', () => {
  const memory = createBuckets();
  const buckets = new TokenBuckets(memory, 0);
  const rate = { tokens: 1, tokenMs: 100 };
  // The lock of the first set, as shard 3 left it.
  new Int32Array(memory)[4] = 4;
  assert.equal(take(buckets, 1, rate, 1), 'unavailable');
  assert.equal(buckets.take(1, 1, rate, 1), 'taken');
  releaseDeadBuckets(memory, 2);
  assert.equal(take(buckets, 1, rate, 1), 'unavailable');
  releaseDeadBuckets(memory, 3);
  assert.equal(take(buckets, 1, rate, 1), 'taken');
});
