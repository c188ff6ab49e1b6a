import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { Status } from '../../../../core/wasm/abi/abi.ts';
import { Queues } from '../../../../core/wasm/shared/queues.ts';
import { releaseDeadOwner } from '../../../../core/wasm/shared/shared-arena.ts';
import { createSharedData, SharedData } from '../../../../core/wasm/shared/shared-data.ts';
import { createSharedMemory, emptySharedMemory } from '../../../../core/wasm/shared/shared-memory.ts';

const SCOPE = Buffer.from('vm');
const NOBODY = Buffer.alloc(0);

function put(shared: SharedData, key: string, value: string | Uint8Array, cas = 0, scope: Uint8Array = SCOPE): number {
  const bytes = Buffer.from(value);
  const source = Buffer.concat([Buffer.from(key), bytes]);
  return shared.set(scope, source, 0, key.length, key.length, bytes.length, cas);
}

function read(shared: SharedData, key: string, scope: Uint8Array = SCOPE): string | null {
  const status = shared.get(scope, Buffer.from(key), 0, key.length);
  return status === Status.Ok ? Buffer.from(shared.value).toString() : null;
}

function thread(task: {
  arena: SharedArrayBuffer;
  shard: number;
  rounds?: number;
  keys?: number;
  hold?: boolean;
}): Worker {
  return new Worker(new URL('./shared-data.worker.ts', import.meta.url), {
    workerData: { rounds: 0, keys: 1, hold: false, ...task },
  });
}

test('scopes and keys do not touch each other', () => {
  const shared = new SharedData(createSharedData(), 0);
  put(shared, 'k', 'a');
  put(shared, 'k', 'b', 0, NOBODY);
  put(shared, 'kk', 'c');
  put(shared, 'mk', 'd', 0, Buffer.from('v'));
  assert.deepEqual([read(shared, 'k'), read(shared, 'k', NOBODY), read(shared, 'kk')], ['a', 'b', 'c']);
  assert.equal(read(shared, 'missing'), null);
  // 'v' + 'mk' and 'vm' + 'k' are the same bytes in another cut.
  assert.deepEqual([read(shared, 'mk', Buffer.from('v')), read(shared, 'k')], ['d', 'a']);
  assert.equal(shared.entries, 4);
});

test('compare-and-set: a number counts from 1 and changes with each write; a missing entry is created', () => {
  const shared = new SharedData(createSharedData(), 0);
  assert.equal(put(shared, 'k', '1', 99), Status.Ok);
  read(shared, 'k');
  assert.equal(shared.cas, 1);
  assert.equal(put(shared, 'k', '2', 2), Status.CasMismatch);
  assert.equal(put(shared, 'k', '2', 1), Status.Ok);
  assert.equal(read(shared, 'k'), '2');
  assert.equal(shared.cas, 2);
});

test('what one shard writes another reads', () => {
  const arena = createSharedData();
  put(new SharedData(arena, 0), 'k', 'value');
  assert.equal(read(new SharedData(arena, 1), 'k'), 'value');
});

test('the arena is bounded: what does not fit is refused, what is there stays, and its room is used again', () => {
  const shared = new SharedData(createSharedData(64 * 1024), 0);
  let stored = 0;
  while (put(shared, `key ${stored}`, 'x'.repeat(500)) === Status.Ok) stored++;
  assert.ok(stored > 40 && stored < 128, `${stored} entries`);
  assert.equal(put(shared, 'one more', 'x'.repeat(500)), Status.CasMismatch);
  assert.equal(read(shared, 'key 0'), 'x'.repeat(500));
  assert.equal(read(shared, 'one more'), null);
  assert.equal(put(shared, 'huge', new Uint8Array(1 << 20)), Status.CasMismatch);
});

test('a key that is written for ever, in any length, takes no more room', () => {
  const shared = new SharedData(createSharedData(64 * 1024), 0);
  for (let i = 0; i < 50_000; i++) assert.equal(put(shared, `k${i % 7}`, 'y'.repeat(i % 300)), Status.Ok);
  assert.equal(shared.entries, 7);
  assert.equal(read(shared, 'k0'), 'y'.repeat(49_994 % 300));
});

test('four threads that count by compare-and-set lose nothing', async () => {
  const arena = createSharedData(256 * 1024);
  const shared = new SharedData(arena, 0);
  const keys = 3;
  for (let key = 0; key < keys; key++) put(shared, `counter ${key}`, '0');
  const rounds = 3000;
  const threads = [1, 2, 3, 4].map((shard) => thread({ arena, shard, rounds, keys }));
  await Promise.all(threads.map((worker) => once(worker, 'exit')));
  let total = 0;
  for (let key = 0; key < keys; key++) total += Number(read(shared, `counter ${key}`));
  assert.equal(total, 4 * rounds);
  assert.equal(shared.entries, keys);
});

test('a thread killed while it holds the lock is found by its number, and the others go on', async () => {
  const arena = createSharedData();
  const shared = new SharedData(arena, 0);
  put(shared, 'k', 'kept');
  const holder = thread({ arena, shard: 5, hold: true });
  await once(holder, 'message');
  await holder.terminate();
  assert.equal(releaseDeadOwner(arena, 4), false, 'another shard’s lock is not taken away');
  // A reader waits for it: the main thread frees the lock meanwhile.
  const reader = thread({ arena, shard: 1, rounds: 1, keys: 1 });
  assert.equal(releaseDeadOwner(arena, 5), true);
  await once(reader, 'exit');
  assert.equal(read(shared, 'k'), 'kept');
  assert.equal(Number(read(shared, 'counter 0')), 1);
});

test('a shard killed at any moment leaves a table that the others can use', async () => {
  const arena = createSharedData(256 * 1024);
  const shared = new SharedData(arena, 0);
  for (let key = 0; key < 3; key++) put(shared, `counter ${key}`, '0');
  for (let round = 0; round < 8; round++) {
    const writer = thread({ arena, shard: 3, rounds: 1e9, keys: 3 });
    while (Number(read(shared, 'counter 2')) < (round + 1) * 20) await delay(1);
    await writer.terminate();
    releaseDeadOwner(arena, 3);
  }
  for (let key = 0; key < 3; key++) {
    const value = read(shared, `counter ${key}`);
    assert.match(value ?? '', /^\d+$/);
    assert.equal(put(shared, `counter ${key}`, 'whole'), Status.Ok);
    assert.equal(read(shared, `counter ${key}`), 'whole');
  }
  assert.equal(shared.entries, 3);
});

test('memory that is emptied holds nothing, and takes as much as before', () => {
  const memory = createSharedMemory(1, 64 * 1024);
  const fill = (): number => {
    const data = new SharedData(memory.data, 0);
    let stored = 0;
    while (put(data, `key ${stored}`, Buffer.alloc(1000)) === Status.Ok) stored++;
    return stored;
  };
  const queues = new Queues(memory.queues, 0);
  queues.enqueue(queues.register('', 'q', null), Buffer.from('left'));
  const first = fill();
  assert.ok(first > 10);
  emptySharedMemory(memory);
  assert.equal(new Queues(memory.queues, 0).resolve('', 'q'), 0);
  assert.equal(fill(), first);
});
