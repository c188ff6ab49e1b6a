// What guests share in all shards of a proxy by the ABI: made by the main thread, handed to every shard, and outliving each.

import { createMetrics, type MetricsMemory } from './metrics.ts';
import { createQueues } from './queues.ts';
import { emptyArena, releaseDeadOwner } from './shared-arena.ts';
import { createSharedData } from './shared-data.ts';

export interface SharedMemory {
  readonly data: SharedArrayBuffer;
  readonly queues: SharedArrayBuffer;
  readonly metrics: MetricsMemory;
}

/** `dataBytes`: room for shared data. */
export function createSharedMemory(shards: number, dataBytes?: number): SharedMemory {
  return {
    data: createSharedData(dataBytes),
    queues: createQueues(),
    metrics: createMetrics(shards),
  };
}

/** As it was when it was made. Nobody may be using it. */
export function emptySharedMemory({ data, queues, metrics }: SharedMemory): void {
  for (const memory of [data, queues, metrics.names]) emptyArena(memory);
  new Uint8Array(metrics.values).fill(0);
}

/** Frees every lock that this shard, which is dead, held. Main thread. */
export function releaseDeadShard({ data, queues, metrics }: SharedMemory, shard: number): void {
  for (const memory of [data, queues, metrics.names]) releaseDeadOwner(memory, shard);
}
