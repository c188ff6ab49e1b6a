// What the filters of all shards of a proxy share: made by the main thread, handed to every shard, and outliving each.

import { createActiveFaults, forgetFaults } from '../../builtins/fault/shared-faults.ts';
import { createBuckets, releaseDeadBuckets } from '../../builtins/ratelimit/shared-buckets.ts';
import { createMetrics, type MetricsMemory } from './metrics.ts';
import { createQueues } from './queues.ts';
import { emptyArena, releaseDeadOwner } from './shared-arena.ts';
import { createSharedData } from './shared-data.ts';

export interface SharedMemory {
  readonly data: SharedArrayBuffer;
  readonly queues: SharedArrayBuffer;
  readonly metrics: MetricsMemory;
  readonly buckets: SharedArrayBuffer;
  readonly faults: SharedArrayBuffer;
}

/** `dataBytes`: room for shared data. */
export function createSharedMemory(shards: number, dataBytes?: number): SharedMemory {
  return {
    data: createSharedData(dataBytes),
    queues: createQueues(),
    metrics: createMetrics(shards),
    buckets: createBuckets(),
    faults: createActiveFaults(shards),
  };
}

/** As it was when it was made, but for the buckets, which only our own filters fill. Nobody may be using it. */
export function emptySharedMemory({ data, queues, metrics }: SharedMemory): void {
  for (const memory of [data, queues, metrics.names]) emptyArena(memory);
  new Uint8Array(metrics.values).fill(0);
}

/** Frees every lock that this shard, which is dead, held. Main thread. */
export function releaseDeadShard({ data, queues, metrics, buckets, faults }: SharedMemory, shard: number): void {
  for (const memory of [data, queues, metrics.names]) releaseDeadOwner(memory, shard);
  releaseDeadBuckets(buckets, shard);
  forgetFaults(faults, shard);
}
