// Token buckets by key, the same for all shards of a proxy. A bucket is one number: the time at which it will be full again
// (the generic cell rate algorithm), so a full one is an empty place. Keys are 64-bit fingerprints under a secret seed.
//
// The table is bounded. A key may lie in one of the WAYS places of its set; when all of them are in use, it takes over the
// one that will be full first, with that one's debt. So a key that was pushed out never finds more than it had left: a
// crowded table makes limits stricter, never looser.
//
//   word 0..3 seed | then a lock for each set (0 free, else shard + 1) | then places: f64 full again at (ms) | u64 fingerprint

import { getRandomValues } from 'node:crypto';

const SEED_WORDS = 4;
const SETS = 8192;
const WAYS = 8;
const PLACES = SETS * WAYS;
/** 64-bit words before the places. */
const FIRST = (SEED_WORDS + SETS) / 2;

const SPINS = 1000;
const WAITS = 10;
const WAIT_MS = 1;
/** Sums of fractions of a millisecond are not exact. */
const ROUNDING_MS = 1e-6;

/** What is taken from: so many tokens, one more every so often. */
export interface Rate {
  readonly tokens: number;
  /** Milliseconds until one token has come back. */
  readonly tokenMs: number;
}

export type Taken = 'taken' | 'empty' | 'unavailable';

/** Counters of what callers used up; this proxy's own, or one day those that proxies share. */
export interface Buckets {
  /** Of the last bucket that was asked: whole tokens left, and milliseconds until there is one. */
  readonly remaining: number;
  readonly waitMs: number;
  /** Keys that took over the place of one that was not full. */
  readonly evictions: number;
  /** 16 bytes for whoever makes fingerprints: with another seed, other keys collide. */
  readonly seed: Uint8Array;
  /** Takes a token at the time `now` from the bucket with this fingerprint. */
  take(low: number, high: number, rate: Rate, now: number): Taken;
  /** Gives back what was just taken. */
  giveBack(low: number, high: number, rate: Rate): void;
}

/** Memory for the buckets of one proxy; made by the main thread, handed to every shard. */
export function createBuckets(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((FIRST + PLACES * 2) * 8);
  const seed = getRandomValues(new Int32Array(SEED_WORDS));
  new Int32Array(memory).set(seed);
  return memory;
}

/** Frees the locks that this shard, which is dead, held. Main thread. */
export function releaseDeadBuckets(memory: SharedArrayBuffer, shard: number): void {
  const words = new Int32Array(memory);
  for (let at = SEED_WORDS; at < SEED_WORDS + SETS; at++) {
    if (Atomics.compareExchange(words, at, shard + 1, 0) === shard + 1) Atomics.notify(words, at);
  }
}

export class TokenBuckets implements Buckets {
  remaining = 0;
  waitMs = 0;
  evictions = 0;
  private readonly words: Int32Array;
  private readonly times: Float64Array;
  private readonly owner: number;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.words = new Int32Array(memory);
    this.times = new Float64Array(memory);
    this.owner = shard + 1;
  }

  get seed(): Uint8Array {
    return new Uint8Array(this.words.slice(0, SEED_WORDS).buffer);
  }

  take(low: number, high: number, { tokens, tokenMs }: Rate, now: number): Taken {
    const set = low & (SETS - 1);
    if (!this.lock(set)) return 'unavailable';
    const { times, words } = this;
    const first = FIRST + set * WAYS * 2;
    let at = this.find(first, low, high);
    const known = at >= 0;
    if (!known) at = this.soonestFull(first);
    const capacity = tokens * tokenMs;
    const old = times[at];
    // What is inherited is at most all that this bucket holds.
    const debt = Math.min(Math.max(old - now, 0), capacity);
    const missing = debt + tokenMs - capacity;
    if (missing > ROUNDING_MS) {
      this.unlock(set);
      this.remaining = 0;
      this.waitMs = missing;
      return 'empty';
    }
    if (!known) {
      if (old > now) this.evictions++;
      words[(at + 1) * 2] = low;
      words[(at + 1) * 2 + 1] = high;
    }
    times[at] = now + debt + tokenMs;
    this.unlock(set);
    this.remaining = Math.floor((capacity - debt) / tokenMs + ROUNDING_MS) - 1;
    this.waitMs = this.remaining > 0 ? 0 : missing + tokenMs;
    return 'taken';
  }

  giveBack(low: number, high: number, { tokenMs }: Rate): void {
    const set = low & (SETS - 1);
    if (!this.lock(set)) return;
    const at = this.find(FIRST + set * WAYS * 2, low, high);
    if (at >= 0) this.times[at] -= tokenMs;
    this.unlock(set);
  }

  private find(first: number, low: number, high: number): number {
    const { words } = this;
    const end = first + WAYS * 2;
    for (let at = first; at < end; at += 2) {
      if (words[(at + 1) * 2] === low && words[(at + 1) * 2 + 1] === high) return at;
    }
    return -1;
  }

  private soonestFull(first: number): number {
    const { times } = this;
    const end = first + WAYS * 2;
    let soonest = first;
    for (let at = first + 2; at < end; at += 2) if (times[at] < times[soonest]) soonest = at;
    return soonest;
  }

  /** False: who holds it is dead, and the main thread has not noticed yet. */
  private lock(set: number): boolean {
    const { words, owner } = this;
    const at = SEED_WORDS + set;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(words, at, 0, owner) === 0) return true;
    }
    for (let wait = 0; wait < WAITS; wait++) {
      const holder = Atomics.compareExchange(words, at, 0, owner);
      if (holder === 0) return true;
      Atomics.wait(words, at, holder, WAIT_MS);
    }
    return false;
  }

  /** Nobody is woken: who waits looks again within a millisecond. */
  private unlock(set: number): void {
    Atomics.store(this.words, SEED_WORDS + set, 0);
  }
}
