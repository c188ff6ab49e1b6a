// The clock of the open loop, on a thread of its own, since the event loop's timers are good to a millisecond only: tells
// the other thread the number of each request when its time has come.

import { parentPort, workerData } from 'node:worker_threads';

const { startNs, perSecond, count } = workerData as { startNs: bigint; perSecond: number; count: number };
const never = new Int32Array(new SharedArrayBuffer(4));

for (let i = 0; i < count; i++) {
  const dueNs = startNs + BigInt(Math.round((i * 1e9) / perSecond));
  for (let left = dueNs - process.hrtime.bigint(); left > 0n; left = dueNs - process.hrtime.bigint()) {
    Atomics.wait(never, 0, 0, Number(left) / 1e6);
  }
  parentPort!.postMessage(i);
}
