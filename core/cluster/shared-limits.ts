// How many connections and requests a cluster has in all shards of a proxy, and how many requests wait: counts in shared memory,
// found by the cluster's name, for clusters that have limits of their own. Each shard's part stands beside the sum, so that
// a dead shard's can be taken back.
//
//   word 0 shards | then places: fingerprint low, high (0, 0: free) | connections, waiting, requests | by shard: the same

import { createHash } from 'node:crypto';

/** Clusters with limits of their own; those that find no place are limited by each shard alone. */
const PLACES = 2048;
const FINGERPRINT = 2;
const KINDS = 3;
const HEAD = 1;

export const CONNECTIONS = 0;
export const WAITING = 1;
export const REQUESTS = 2;
export type Counted = typeof CONNECTIONS | typeof WAITING | typeof REQUESTS;

/** Made by the main thread, handed to every shard. */
export function createLimits(shards: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((HEAD + PLACES * placeWords(shards)) * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(memory)[0] = shards;
  return memory;
}

/** What this shard, which is dead, had is gone. Main thread. */
export function releaseDeadLimits(memory: SharedArrayBuffer, shard: number): void {
  const words = new Int32Array(memory);
  const size = placeWords(words[0]);
  for (let place = 0; place < PLACES; place++) {
    const sums = HEAD + place * size + FINGERPRINT;
    for (let kind = 0; kind < KINDS; kind++) {
      const had = Atomics.exchange(words, sums + KINDS * (1 + shard) + kind, 0);
      if (had !== 0) Atomics.sub(words, sums + kind, had);
    }
  }
}

function placeWords(shards: number): number {
  return FINGERPRINT + KINDS * (1 + shards);
}

export class SharedLimits {
  private readonly words: Int32Array;
  private readonly shard: number;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.words = new Int32Array(memory);
    this.shard = shard;
  }

  /** The counts of the cluster of this name; null: the shard is the only one, or there are too many such clusters. */
  of(name: string): SharedCounts | null {
    const { words, shard } = this;
    const shards = words[0];
    if (shards === 1) return null;
    const fingerprint = createHash('sha256').update(name).digest();
    const low = fingerprint.readInt32LE(0) | 1;
    const high = fingerprint.readInt32LE(4) | 1;
    const first = fingerprint.readUInt32LE(8) % PLACES;
    for (let i = 0; i < PLACES; i++) {
      const at = HEAD + ((first + i) % PLACES) * placeWords(shards);
      const holder = Atomics.compareExchange(words, at, 0, low);
      if (holder !== 0 && holder !== low) continue;
      // Who took a free place writes the rest of its fingerprint next; whoever is first writes the same for that name.
      const rest = Atomics.compareExchange(words, at + 1, 0, high);
      if (rest === 0 || rest === high) return new SharedCounts(words, at + FINGERPRINT, shard);
    }
    return null;
  }
}

/** Of one cluster, as one shard counts. */
export class SharedCounts {
  private readonly words: Int32Array;
  private readonly sums: number;
  private readonly own: number;

  constructor(words: Int32Array, sums: number, shard: number) {
    this.words = words;
    this.sums = sums;
    this.own = sums + KINDS * (1 + shard);
  }

  sum(kind: Counted): number {
    return Atomics.load(this.words, this.sums + kind);
  }

  /** One more, unless there are `most` already. */
  take(kind: Counted, most: number): boolean {
    const { words, sums, own } = this;
    if (Atomics.add(words, sums + kind, 1) >= most) {
      Atomics.sub(words, sums + kind, 1);
      return false;
    }
    Atomics.add(words, own + kind, 1);
    return true;
  }

  /** So many more, or with a negative number fewer, whatever the limit is. */
  add(kind: Counted, count: number): void {
    Atomics.add(this.words, this.own + kind, count);
    Atomics.add(this.words, this.sums + kind, count);
  }
}
