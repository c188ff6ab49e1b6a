// What the shards of a proxy share: made by the main thread, handed to every shard, and outliving each.

import type { BuiltinMemory } from '../builtins/builtin.ts';
import { createBuiltinMemory, releaseBuiltinMemory } from '../builtins/builtins.ts';
import { createLimits, releaseDeadLimits } from '../cluster/shared-limits.ts';
import { createSharedMemory, releaseDeadShard, type SharedMemory } from '../wasm/shared/shared-memory.ts';

export interface ShardMemory {
  /** Of guests, by the ABI. Threads for slow filters have it, too, by the indexes behind those of the shards. */
  readonly guests: SharedMemory;
  readonly builtins: BuiltinMemory;
  /** Of clusters: their connections and who waits for one. */
  readonly limits: SharedArrayBuffer;
}

/** `threads`: for slow filters. */
export function createShardMemory(shards: number, threads: number): ShardMemory {
  return {
    guests: createSharedMemory(shards + threads),
    builtins: createBuiltinMemory(shards),
    limits: createLimits(shards),
  };
}

/** Frees what this shard, which is dead, held. Main thread. */
export function releaseShardMemory({ guests, builtins, limits }: ShardMemory, shard: number): void {
  releaseDeadLimits(limits, shard);
  releaseDeadShard(guests, shard);
  releaseBuiltinMemory(builtins, shard);
}
