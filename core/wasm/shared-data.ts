// Shared data of the filters (proxy_set_shared_data): one bounded arena in a SharedArrayBuffer, the same for all shards.
// One lock guards it. The lock names its owner, so that the main thread can free what a dead shard held; and every change
// is built aside and published by one store, so that a shard killed in the middle leaves the table whole (at worst a
// block is lost).
//
//   word 0 lock (0 free, else shard + 1) | 1 waiters | 2 top | 3 limit | 4 entries | 8..39 free list of blocks of 2^k bytes
//   then BUCKETS words: offset of the first block of that hash, 0 = none
//   block: next | class | hash | cas | scopeLength | keyLength | valueLength | scope key value bytes

import { Status } from './abi.ts';

const LOCK = 0;
const WAITERS = 1;
const TOP = 2;
const LIMIT = 3;
const ENTRIES = 4;
const FREE = 8;
const HEADER_WORDS = 40;
const BUCKETS = 4096;
const BLOCK_WORDS = 7;
const MIN_CLASS = 6;
const MAX_CLASS = 26;
const SPINS = 200;
const GIVE_UP_MS = 2000;

/** Memory for the shared data of one proxy; made by the main thread, handed to every shard. */
export function createSharedData(bytes = 4 * 1024 * 1024): SharedArrayBuffer {
  const arena = new SharedArrayBuffer(Math.max(bytes, (HEADER_WORDS + BUCKETS) * 4 + 1024));
  const words = new Int32Array(arena);
  words[TOP] = (HEADER_WORDS + BUCKETS) * 4;
  words[LIMIT] = arena.byteLength;
  return arena;
}

/** Frees the lock if this shard, which is dead, held it. Main thread. True if it did. */
export function releaseDeadOwner(arena: SharedArrayBuffer, shard: number): boolean {
  const words = new Int32Array(arena);
  if (Atomics.compareExchange(words, LOCK, shard + 1, 0) !== shard + 1) return false;
  Atomics.notify(words, LOCK, 1);
  return true;
}

export class SharedData {
  /** After a successful `get`: the value's bytes (valid until the next call), and its compare-and-set number. */
  value: Uint8Array = new Uint8Array(0);
  cas = 0;
  private scratch = Buffer.alloc(1024);
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly owner: number;

  constructor(arena: SharedArrayBuffer, shard: number) {
    this.words = new Int32Array(arena);
    this.bytes = new Uint8Array(arena);
    this.owner = shard + 1;
  }

  /** Entries of all scopes. */
  get entries(): number {
    return this.words[ENTRIES];
  }

  /** Looks `length` bytes at `at` of `source` up. Ok, or NotFound (also when the lock cannot be had). */
  get(scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
    const hash = hashOf(scope, source, at, length);
    if (!this.lock()) return Status.NotFound;
    const block = this.find(hash, scope, source, at, length) >> 2;
    let status: number = Status.NotFound;
    if (block !== 0) {
      const { words } = this;
      const size = words[block + 6];
      if (size > this.scratch.length) this.scratch = Buffer.alloc(size * 2);
      const start = ((block + BLOCK_WORDS) << 2) + words[block + 4] + words[block + 5];
      this.scratch.set(this.bytes.subarray(start, start + size));
      this.value = this.scratch.subarray(0, size);
      this.cas = words[block + 3] >>> 0;
      status = Status.Ok;
    }
    this.unlock();
    return status;
  }

  /**
   * Stores a value. With `cas` 0 always; otherwise only when the entry still has that number or is missing.
   * Ok or CasMismatch: the only other answer that guests survive also says that the arena is full or the lock was lost.
   */
  set(
    scope: Uint8Array,
    source: Uint8Array,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
    cas: number,
  ): number {
    const hash = hashOf(scope, source, keyAt, keyLength);
    if (!this.lock()) return Status.CasMismatch;
    const status = this.store(hash, scope, source, keyAt, keyLength, valueAt, valueLength, cas);
    this.unlock();
    return status;
  }

  private store(
    hash: number,
    scope: Uint8Array,
    source: Uint8Array,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
    cas: number,
  ): number {
    const { words, bytes } = this;
    const old = this.find(hash, scope, source, keyAt, keyLength) >> 2;
    if (old !== 0 && cas !== 0 && words[old + 3] >>> 0 !== cas) return Status.CasMismatch;
    const offset = this.allocate((BLOCK_WORDS << 2) + scope.length + keyLength + valueLength);
    if (offset === 0) return Status.CasMismatch;
    const block = offset >> 2;
    words[block] = old === 0 ? words[HEADER_WORDS + (hash & (BUCKETS - 1))] : words[old];
    words[block + 2] = hash;
    words[block + 3] = old === 0 ? 1 : words[old + 3] + 1 || 1;
    words[block + 4] = scope.length;
    words[block + 5] = keyLength;
    words[block + 6] = valueLength;
    let at = offset + (BLOCK_WORDS << 2);
    bytes.set(scope, at);
    at += scope.length;
    bytes.set(source.subarray(keyAt, keyAt + keyLength), at);
    at += keyLength;
    bytes.set(source.subarray(valueAt, valueAt + valueLength), at);
    // Published by this one store; what it replaces is given back afterwards.
    words[this.link] = offset;
    if (old === 0) words[ENTRIES]++;
    else this.release(old << 2);
    return Status.Ok;
  }

  /** Word that points to what `find` found, or to the bucket's head when it found nothing. */
  private link = 0;

  private find(hash: number, scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
    const { words } = this;
    const head = HEADER_WORDS + (hash & (BUCKETS - 1));
    let link = head;
    for (let offset = words[link]; offset !== 0; offset = words[link]) {
      const block = offset >> 2;
      if (words[block + 2] === hash && this.same(offset, scope, source, at, length)) {
        this.link = link;
        return offset;
      }
      link = block;
    }
    this.link = head;
    return 0;
  }

  private same(offset: number, scope: Uint8Array, source: Uint8Array, at: number, length: number): boolean {
    const { words, bytes } = this;
    const block = offset >> 2;
    if (words[block + 4] !== scope.length || words[block + 5] !== length) return false;
    const start = offset + (BLOCK_WORDS << 2);
    for (let i = 0; i < scope.length; i++) if (bytes[start + i] !== scope[i]) return false;
    const key = start + scope.length;
    for (let i = 0; i < length; i++) if (bytes[key + i] !== source[at + i]) return false;
    return true;
  }

  /** Offset of a block of at least `size` bytes, or 0: the arena is full. */
  private allocate(size: number): number {
    const { words } = this;
    const wanted = Math.max(MIN_CLASS, 32 - Math.clz32(size - 1));
    if (wanted > MAX_CLASS) return 0;
    const first = words[FREE + wanted];
    if (first !== 0) {
      words[FREE + wanted] = words[first >> 2];
      return first;
    }
    const top = words[TOP];
    if (top + (1 << wanted) <= words[LIMIT]) {
      words[TOP] = top + (1 << wanted);
      words[(top >> 2) + 1] = wanted;
      return top;
    }
    for (let larger = wanted + 1; larger <= MAX_CLASS; larger++) {
      const block = words[FREE + larger];
      if (block === 0) continue;
      words[FREE + larger] = words[block >> 2];
      return block;
    }
    return 0;
  }

  private release(offset: number): void {
    const { words } = this;
    const list = FREE + words[(offset >> 2) + 1];
    words[offset >> 2] = words[list];
    words[list] = offset;
  }

  /** False when nobody freed it in time: its owner is dead and the main thread has not noticed yet. */
  private lock(): boolean {
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

  private unlock(): void {
    Atomics.store(this.words, LOCK, 0);
    if (Atomics.load(this.words, WAITERS) > 0) Atomics.notify(this.words, LOCK, 1);
  }
}

/** FNV-1a over scope, a separator and key. */
function hashOf(scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < scope.length; i++) hash = Math.imul(hash ^ scope[i], 0x01000193);
  hash = Math.imul(hash ^ 0x100, 0x01000193);
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ source[at + i], 0x01000193);
  return hash | 0;
}
