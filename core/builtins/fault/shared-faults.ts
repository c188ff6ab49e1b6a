// How many faults are under way in all shards of a proxy: one count for each shard, so that those of a dead one are forgotten.

/** Int32 by shard; made by the main thread, handed to every shard. */
export function createActiveFaults(shards: number): SharedArrayBuffer {
  return new SharedArrayBuffer(shards * Int32Array.BYTES_PER_ELEMENT);
}

/** The requests that this shard, which is dead, was harming are gone. Main thread. */
export function forgetFaults(memory: SharedArrayBuffer, shard: number): void {
  Atomics.store(new Int32Array(memory), shard, 0);
}

export class ActiveFaults {
  private readonly counts: Int32Array;
  private readonly shard: number;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.counts = new Int32Array(memory);
    this.shard = shard;
  }

  /** One more, unless there are `most` already. Two shards that both want the last place may both be refused. */
  begin(most: number): boolean {
    const { counts, shard } = this;
    Atomics.add(counts, shard, 1);
    let sum = 0;
    for (let i = 0; i < counts.length; i++) sum += Atomics.load(counts, i);
    if (sum <= most) return true;
    this.end();
    return false;
  }

  end(): void {
    Atomics.sub(this.counts, this.shard, 1);
  }
}
