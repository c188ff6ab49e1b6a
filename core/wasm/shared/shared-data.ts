// Shared data of the filters (proxy_set_shared_data): a hash table in an arena that is the same for all shards. Every change
// is built aside and published by one store.
//
//   word 4 entries | table: BUCKETS words, the offset of the first block of that hash, 0 = none
//   block: next | class | hash | cas | scopeLength | keyLength | valueLength | scope key value bytes

import { Status } from '../abi/abi.ts';
import { createArena, SharedArena, TABLE } from './shared-arena.ts';

const ENTRIES = 4;
const BUCKETS = 4096;
const BLOCK_WORDS = 7;

/** Memory for the shared data of one proxy; made by the main thread, handed to every shard. */
export function createSharedData(bytes = 4 * 1024 * 1024): SharedArrayBuffer {
  return createArena(bytes, BUCKETS);
}

export class SharedData {
  /** After a successful `get`: the value's bytes (valid until the next call), and its compare-and-set number. */
  value: Uint8Array = new Uint8Array(0);
  cas = 0;
  private scratch = Buffer.alloc(1024);
  private readonly arena: SharedArena;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.arena = new SharedArena(memory, shard);
    this.words = this.arena.words;
    this.bytes = this.arena.bytes;
  }

  /** Entries of all scopes. */
  get entries(): number {
    return this.words[ENTRIES];
  }

  /** Looks `length` bytes at `at` of `source` up. Ok, or NotFound (also when the lock cannot be had). */
  get(scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
    const hash = hashOf(scope, source, at, length);
    if (!this.arena.lock()) return Status.NotFound;
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
    this.arena.unlock();
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
    if (!this.arena.lock()) return Status.CasMismatch;
    const status = this.store(hash, scope, source, keyAt, keyLength, valueAt, valueLength, cas);
    this.arena.unlock();
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
    const offset = this.arena.allocate((BLOCK_WORDS << 2) + scope.length + keyLength + valueLength);
    if (offset === 0) return Status.CasMismatch;
    const block = offset >> 2;
    words[block] = old === 0 ? words[TABLE + (hash & (BUCKETS - 1))] : words[old];
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
    else this.arena.release(old << 2);
    return Status.Ok;
  }

  /** Word that points to what `find` found, or to the bucket's head when it found nothing. */
  private link = 0;

  private find(hash: number, scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
    const { words } = this;
    const head = TABLE + (hash & (BUCKETS - 1));
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
}

/** FNV-1a over scope, a separator and key. */
function hashOf(scope: Uint8Array, source: Uint8Array, at: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < scope.length; i++) hash = Math.imul(hash ^ scope[i], 0x01000193);
  hash = Math.imul(hash ^ 0x100, 0x01000193);
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ source[at + i], 0x01000193);
  return hash | 0;
}
