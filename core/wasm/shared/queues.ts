// Shared queues of filters, by (vm id, name), in an arena that is the same for all shards: what one shard puts in another
// takes out, and a queue with what is in it survives the shard that registered it. Bounded in queues, entries and bytes.
//
//   word 4 queues registered | table: SIGNALS words, one a shard, then 8 words a queue:
//     name's block | head | tail | entries | bytes | owner (shard + 1) | entries that the owner has not been told of | spare
//   block of a name:  next | class | vmIdLength | nameLength | vmId name
//   block of a value: next | class | length | bytes
//
// Whoever registered a queue last owns it, as in Envoy: its plugin is told of each value by proxy_on_queue_ready. The owner
// waits for its shard's signal without a thread (Atomics.waitAsync); a shard that registers no queue waits for nothing.

import { Status } from '../abi/abi.ts';
import { createArena, SharedArena, TABLE } from './shared-arena.ts';

const QUEUES = 4;
const SIGNALS = 128;
const MAX_QUEUES = 256;
const MAX_ENTRIES = 4096;
const MAX_BYTES = 1024 * 1024;
const MAX_NAME = 1024;
/** Values that a plugin is told of in one turn of the event loop. */
const TOLD_AT_ONCE = 64;

const QUEUE_WORDS = 8;
const NAME = 0;
const HEAD = 1;
const TAIL = 2;
const ENTRIES = 3;
const BYTES = 4;
const OWNER = 5;
const UNTOLD = 6;

const NEXT = 0;
const LENGTH = 2;
const VALUE_AT = 12;
const NAME_AT = 16;

/** The id of a queue that could not be made: nothing is ever in it, and guests survive what is said of it. */
export const NO_QUEUE = 0xffffffff;

/** Memory for the shared queues of one proxy; made by the main thread, handed to every shard. */
export function createQueues(bytes = 4 * 1024 * 1024): SharedArrayBuffer {
  return createArena(bytes, SIGNALS + MAX_QUEUES * QUEUE_WORDS);
}

/** Told that a value has been put into the queue of this id; once a value, on a turn of its own. */
export interface QueueOwner {
  queueReady(id: number): void;
}

export class Queues {
  private readonly arena: SharedArena;
  private readonly words: Int32Array;
  private readonly shard: number;
  private readonly owners = new Map<number, QueueOwner>();
  private readonly signal: number;
  private waiting = false;
  private stopped = false;
  private turn: NodeJS.Immediate | null = null;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.arena = new SharedArena(memory, shard);
    this.words = this.arena.words;
    this.shard = shard;
    // Shards beyond share a signal: they look in vain now and then.
    this.signal = TABLE + (shard % SIGNALS);
  }

  /**
   * Id of the queue of this name, from 1 on; NO_QUEUE when there are too many. `owner` is told from now on what is put into
   * it, and of what is in it already when this shard did not own it before; null changes nothing of that.
   */
  register(vmId: string, name: string, owner: QueueOwner | null): number {
    const key = keyOf(vmId, name);
    if (key === null || !this.arena.lock()) return NO_QUEUE;
    const id = this.find(key) || this.make(key);
    if (id !== 0 && owner !== null) this.own(id, owner);
    this.arena.unlock();
    if (id !== 0 && owner !== null) this.listen();
    return id === 0 ? NO_QUEUE : id;
  }

  /** Id of a registered queue, or 0. */
  resolve(vmId: string, name: string): number {
    const key = keyOf(vmId, name);
    if (key === null || !this.arena.lock()) return 0;
    const id = this.find(key);
    this.arena.unlock();
    return id;
  }

  /** This plugin is told of nothing any more. What is put in meanwhile waits for the next who registers. */
  leave(owner: QueueOwner): void {
    for (const [id, known] of this.owners) if (known === owner) this.owners.delete(id);
  }

  /** Ok, or NotFound: no such queue, or no room in it. */
  enqueue(id: number, value: Uint8Array): number {
    const queue = this.queueAt(id);
    if (queue === 0 || value.length > MAX_BYTES || !this.arena.lock()) return Status.NotFound;
    const status = this.append(queue, value);
    const owner = this.words[queue + OWNER];
    this.arena.unlock();
    if (status === Status.Ok && owner !== 0) this.wake(owner - 1);
    return status;
  }

  /** The oldest value, or a status: NotFound, Empty. */
  dequeue(id: number): Uint8Array | number {
    const queue = this.queueAt(id);
    if (queue === 0 || !this.arena.lock()) return Status.NotFound;
    const { words } = this;
    const block = words[queue + HEAD] >> 2;
    if (block === 0) {
      this.arena.unlock();
      return Status.Empty;
    }
    const from = (block << 2) + VALUE_AT;
    const length = words[block + LENGTH];
    const value = new Uint8Array(length);
    value.set(this.arena.bytes.subarray(from, from + length));
    const next = words[block + NEXT];
    if (next === 0) words[queue + TAIL] = 0;
    words[queue + HEAD] = next;
    // Whatever a killed shard left uncounted ends here.
    words[queue + ENTRIES] = next === 0 ? 0 : Math.max(0, words[queue + ENTRIES] - 1);
    words[queue + BYTES] = next === 0 ? 0 : Math.max(0, words[queue + BYTES] - length);
    this.arena.release(block << 2);
    this.arena.unlock();
    return value;
  }

  /** Nobody is told of anything any more. */
  stop(): void {
    this.stopped = true;
    this.owners.clear();
    if (this.turn !== null) clearImmediate(this.turn);
    if (this.waiting) this.wakeWaiting(this.signal);
  }

  private queueAt(id: number): number {
    return id >= 1 && id <= this.words[QUEUES] ? TABLE + SIGNALS + (id - 1) * QUEUE_WORDS : 0;
  }

  private find(key: Key): number {
    const { words, arena } = this;
    for (let id = words[QUEUES]; id > 0; id--) {
      const offset = words[this.queueAt(id) + NAME];
      const block = offset >> 2;
      if (words[block + LENGTH] !== key.vmIdLength || words[block + LENGTH + 1] !== key.nameLength) continue;
      const at = offset + NAME_AT;
      if (key.bytes.equals(arena.bytes.subarray(at, at + key.bytes.length))) return id;
    }
    return 0;
  }

  private make(key: Key): number {
    const { words, arena } = this;
    const id = words[QUEUES] + 1;
    const offset = id > MAX_QUEUES ? 0 : arena.allocate(NAME_AT + key.bytes.length);
    if (offset === 0) return 0;
    words[(offset >> 2) + LENGTH] = key.vmIdLength;
    words[(offset >> 2) + LENGTH + 1] = key.nameLength;
    arena.bytes.set(key.bytes, offset + NAME_AT);
    const queue = TABLE + SIGNALS + (id - 1) * QUEUE_WORDS;
    words.fill(0, queue, queue + QUEUE_WORDS);
    words[queue + NAME] = offset;
    words[QUEUES] = id;
    return id;
  }

  private own(id: number, owner: QueueOwner): void {
    const queue = this.queueAt(id);
    const { words } = this;
    // Another shard, or an earlier thread of this one, may have been told of these and not have taken them.
    if (words[queue + OWNER] !== this.shard + 1 || !this.owners.has(id)) {
      Atomics.store(words, queue + UNTOLD, words[queue + ENTRIES]);
      if (words[queue + ENTRIES] > 0) this.tellSoon();
    }
    words[queue + OWNER] = this.shard + 1;
    this.owners.set(id, owner);
  }

  private append(queue: number, value: Uint8Array): number {
    const { words, arena } = this;
    if (words[queue + ENTRIES] >= MAX_ENTRIES || words[queue + BYTES] + value.length > MAX_BYTES)
      return Status.NotFound;
    const offset = arena.allocate(VALUE_AT + value.length);
    if (offset === 0) return Status.NotFound;
    const block = offset >> 2;
    words[block + LENGTH] = value.length;
    arena.bytes.set(value, offset + VALUE_AT);
    words[block + NEXT] = 0;
    const head = words[queue + HEAD];
    // In an order in which a shard may be killed anywhere: at worst its value is lost, or the tail lags behind.
    if (head === 0) {
      words[queue + TAIL] = offset;
      words[queue + HEAD] = offset;
    } else {
      let tail = words[queue + TAIL] || head;
      while (words[(tail >> 2) + NEXT] !== 0) tail = words[(tail >> 2) + NEXT];
      words[(tail >> 2) + NEXT] = offset;
      words[queue + TAIL] = offset;
    }
    words[queue + ENTRIES]++;
    words[queue + BYTES] += value.length;
    Atomics.add(words, queue + UNTOLD, 1);
    return Status.Ok;
  }

  private wake(shard: number): void {
    if (shard === this.shard) this.tellSoon();
    else this.wakeWaiting(TABLE + (shard % SIGNALS));
  }

  private wakeWaiting(signal: number): void {
    Atomics.add(this.words, signal, 1);
    Atomics.notify(this.words, signal);
  }

  /** Waits for the signals of other shards, from the first queue on. */
  private listen(): void {
    if (this.waiting || this.stopped) return;
    this.waiting = true;
    const seen = Atomics.load(this.words, this.signal);
    const { async, value } = Atomics.waitAsync(this.words, this.signal, seen);
    const woken = (): void => {
      this.waiting = false;
      if (this.stopped) return;
      this.listen();
      this.tellSoon();
    };
    if (async) void value.then(woken);
    else setImmediate(woken);
  }

  private tellSoon(): void {
    if (this.stopped) return;
    this.turn ??= setImmediate(() => {
      this.turn = null;
      this.tell();
    });
  }

  private tell(): void {
    let left = TOLD_AT_ONCE;
    for (const [id, owner] of this.owners) {
      const queue = this.queueAt(id);
      if (this.words[queue + OWNER] !== this.shard + 1) continue;
      for (; left > 0 && takeOne(this.words, queue + UNTOLD); left--) owner.queueReady(id);
      if (left === 0) {
        this.tellSoon();
        return;
      }
    }
  }
}

/** Takes one from a count that others add to. */
function takeOne(words: Int32Array, at: number): boolean {
  for (let count = Atomics.load(words, at); count > 0; ) {
    const found = Atomics.compareExchange(words, at, count, count - 1);
    if (found === count) return true;
    count = found;
  }
  return false;
}

interface Key {
  readonly bytes: Buffer;
  readonly vmIdLength: number;
  readonly nameLength: number;
}

function keyOf(vmId: string, name: string): Key | null {
  const first = Buffer.from(vmId);
  const second = Buffer.from(name);
  if (first.length + second.length > MAX_NAME) return null;
  return { bytes: Buffer.concat([first, second]), vmIdLength: first.length, nameLength: second.length };
}
