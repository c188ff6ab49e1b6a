// A control plane in a process of its own, which tells how long its event loop was kept and what it used.

import { PerformanceObserver } from 'node:perf_hooks';
import { startControl } from '../../control/main.ts';

const TICK_MS = 1;

/** What a control plane used since it was asked last. Milliseconds of CPU, and MiB. */
export interface Cost {
  /** The longest that its event loop was kept from others, in CPU of the main thread: what else runs here does not count. */
  readonly holdMs: number;
  /** Of these the longest of the garbage collector. */
  readonly collectMs: number;
  readonly mainMs: number;
  readonly allMs: number;
  readonly heapMb: number;
  readonly rssMb: number;
}

const options = JSON.parse(process.argv[2]) as Parameters<typeof startControl>[0];
let hold = 0;
let last = 0;
let collect = 0;
let main = threadMs();
let all = processMs();

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collect = Math.max(collect, duration);
}).observe({ entryTypes: ['gc'] });
setInterval(() => {
  const now = threadMs();
  hold = Math.max(hold, now - last);
  last = now;
}, TICK_MS);

process.on('message', () => {
  const { heapUsed, rss } = process.memoryUsage();
  const cost: Cost = {
    ...{ holdMs: hold, collectMs: collect, mainMs: threadMs() - main, allMs: processMs() - all },
    ...{ heapMb: heapUsed / 2 ** 20, rssMb: rss / 2 ** 20 },
  };
  process.send!(cost);
  hold = 0;
  collect = 0;
  last = threadMs();
  main = last;
  all = processMs();
});
process.on('disconnect', () => process.exit());

last = threadMs();
const control = await startControl({ ...options, onLog: () => {} });
process.send!({ url: control.url, token: control.token });

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function processMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
