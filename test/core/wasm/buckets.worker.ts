// A shard of the stress test: takes tokens as fast as it can, or dies holding a set's lock.

import { workerData } from 'node:worker_threads';

import { TokenBuckets } from '../../../core/builtins/ratelimit/shared-buckets.ts';

export interface BucketTask {
  readonly memory: SharedArrayBuffer;
  readonly shard: number;
  readonly keys: number;
  readonly rounds: number;
  readonly tokens: number;
  /** Int32 by key: tokens that were taken, by all shards. */
  readonly taken: SharedArrayBuffer;
}

const { memory, shard, keys, rounds, tokens, taken } = workerData as BucketTask;
const buckets = new TokenBuckets(memory, shard);
const counts = new Int32Array(taken);
// Nothing comes back during the test.
const rate = { tokens, tokenMs: 1e9 };

for (let round = 0; round < rounds; round++) {
  for (let key = 0; key < keys; key++) {
    if (buckets.take(key, 7, rate, 1000) === 'taken') Atomics.add(counts, key, 1);
  }
}
