// A bounded piece of memory that all shards of a proxy allocate from, under one lock. The lock names its owner, so that the
// main thread can free what a dead shard held; and each change to the free lists is one store, so that a shard killed in
// the middle leaves them whole (at worst a block is lost). Whoever keeps a table in it publishes in the same manner.
//
//   word 0 lock (0 free, else shard + 1) | 1 waiters | 2 top | 3 limit | 4..6 the table's own | 7 first block | 8..39 free list of blocks of
//   2^k bytes | then the table's words | then blocks: next | class | what the table puts there

const LOCK = 0;
const WAITERS = 1;
const TOP = 2;
const LIMIT = 3;
const FIRST = 7;
const FREE = 8;
/** First word of the table. */
export const TABLE = 40;
const MIN_CLASS = 6;
const MAX_CLASS = 26;
const SPINS = 200;
const GIVE_UP_MS = 2000;
const NEXT = 0;
const CLASS = 1;

/** Memory of at least `bytes` with a table of `words`; made by the main thread, handed to every shard. */
export function createArena(bytes: number, words: number): SharedArrayBuffer {
  const table = (TABLE + words) * 4;
  const memory = new SharedArrayBuffer(Math.max(bytes, table + 1024));
  const view = new Int32Array(memory);
  view[TOP] = table;
  view[FIRST] = table;
  view[LIMIT] = memory.byteLength;
  return memory;
}

/** As it was when it was made. Nobody may be using it. */
export function emptyArena(memory: SharedArrayBuffer): void {
  const words = new Int32Array(memory);
  const first = words[FIRST];
  const limit = words[LIMIT];
  words.fill(0, 0, words[TOP] >> 2);
  words[TOP] = first;
  words[FIRST] = first;
  words[LIMIT] = limit;
}

/** Frees the lock if this shard, which is dead, held it. Main thread. True if it did. */
export function releaseDeadOwner(memory: SharedArrayBuffer, shard: number): boolean {
  const words = new Int32Array(memory);
  if (Atomics.compareExchange(words, LOCK, shard + 1, 0) !== shard + 1) return false;
  Atomics.notify(words, LOCK, 1);
  return true;
}

export class SharedArena {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  private readonly owner: number;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.owner = shard + 1;
  }

  /** Byte offset of a block of at least `size` bytes, its two first words included, or 0: the arena is full. Locked. */
  allocate(size: number): number {
    const { words } = this;
    const wanted = Math.max(MIN_CLASS, 32 - Math.clz32(size - 1));
    if (wanted > MAX_CLASS) return 0;
    const first = words[FREE + wanted];
    if (first !== 0) {
      words[FREE + wanted] = words[(first >> 2) + NEXT];
      return first;
    }
    const top = words[TOP];
    if (top + (1 << wanted) <= words[LIMIT]) {
      words[TOP] = top + (1 << wanted);
      words[(top >> 2) + CLASS] = wanted;
      return top;
    }
    for (let larger = wanted + 1; larger <= MAX_CLASS; larger++) {
      const block = words[FREE + larger];
      if (block === 0) continue;
      words[FREE + larger] = words[(block >> 2) + NEXT];
      return block;
    }
    return 0;
  }

  /** Locked. */
  release(offset: number): void {
    const { words } = this;
    const list = FREE + words[(offset >> 2) + CLASS];
    words[(offset >> 2) + NEXT] = words[list];
    words[list] = offset;
  }

  /** False when nobody freed it in time: its owner is dead and the main thread has not noticed yet. */
  lock(): boolean {
    const { words, owner } = this;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(words, LOCK, 0, owner) === 0) return true;
    }
    const deadline = performance.now() + GIVE_UP_MS;
    Atomics.add(words, WAITERS, 1);
    let taken = false;
    while (!taken && performance.now() < deadline) {
      const holder = Atomics.compareExchange(words, LOCK, 0, owner);
      if (holder === 0) taken = true;
      else Atomics.wait(words, LOCK, holder, 5);
    }
    Atomics.sub(words, WAITERS, 1);
    return taken;
  }

  unlock(): void {
    Atomics.store(this.words, LOCK, 0);
    if (Atomics.load(this.words, WAITERS) > 0) Atomics.notify(this.words, LOCK, 1);
  }
}
