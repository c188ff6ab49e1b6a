// A thread of the shared-data tests: adds to a counter by compare-and-set, or takes the lock and never gives it back.

import { parentPort, workerData } from 'node:worker_threads';

import { Status } from '../../../../core/wasm/abi/abi.ts';
import { SharedData } from '../../../../core/wasm/shared/shared-data.ts';

interface Task {
  readonly arena: SharedArrayBuffer;
  readonly shard: number;
  readonly rounds: number;
  readonly keys: number;
  readonly hold: boolean;
}

const { arena, shard, rounds, keys, hold } = workerData as Task;
const scope = Buffer.from('vm');

if (hold) {
  Atomics.store(new Int32Array(arena), 0, shard + 1);
  parentPort?.postMessage('held');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

const shared = new SharedData(arena, shard);
for (let i = 0; i < rounds; i++) {
  const key = Buffer.from(`counter ${i % keys}`);
  for (;;) {
    const found = shared.get(scope, key, 0, key.length) === Status.Ok;
    const next = found ? Number(Buffer.from(shared.value).toString()) + 1 : 1;
    const cas = found ? shared.cas : 0;
    // Of changing length, so that blocks move between the free lists.
    const value = Buffer.from(String(next).padStart(1 + (next % 90), '0'));
    // Without a number to compare the first of several writers would be lost, so the first value is written by the test.
    if (shared.set(scope, Buffer.concat([key, value]), 0, key.length, key.length, value.length, cas) === Status.Ok)
      break;
  }
}
parentPort?.postMessage('done');
