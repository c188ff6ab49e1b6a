// Gives back what a thread's heap keeps of busier times (its start, a large configuration, a burst of requests) once there
// is nothing to do. V8 by itself keeps the young generation and free pages that it once needed, about 8 MiB a thread.

import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often it is looked at whether the thread is idle. */
const LOOK_MS = 500;
/** Idle: its event loop was busy for less than this part of the time in between. */
const IDLE = 0.03;
/** Memory that is worth the pause of a full collection, some 20 ms. */
const WORTH_BYTES = 4 << 20;
/** So much more in use than after the last collection is mostly what a large configuration left behind when it was read. */
const GROWN_BYTES = 24 << 20;
/** The pause grows with what is kept: from this on, the thread has to be as much more idle. */
const SMALL_BYTES = 16 << 20;
/** At least so long between two collections, whatever comes and goes. */
const LEAST_PAUSE_MS = 60_000;

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** Watches the thread that calls it, until what it returns is called. Keeps no process alive. */
export function giveBackSpareHeap(lookMs = LOOK_MS): () => void {
  let before = performance.eventLoopUtilization();
  let notBefore = 0;
  let kept = getHeapStatistics().used_heap_size;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const active = now.active - before.active;
    before = now;
    if (active > lookMs * IDLE || performance.now() < notBefore) return;
    const { total_physical_size: held, used_heap_size: used } = getHeapStatistics();
    if (held - used < WORTH_BYTES && used - kept < GROWN_BYTES) return;
    if (active > (lookMs * IDLE) / Math.max(1, used / SMALL_BYTES)) return;
    collect();
    kept = getHeapStatistics().used_heap_size;
    notBefore = performance.now() + LEAST_PAUSE_MS;
    before = performance.eventLoopUtilization();
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Collects everything that the calling thread's heap can do without. */
export function collect(): void {
  // The function exists in contexts that are made while the flag is set. Flags are the process's: unset, it would be missing
  // in the context that another thread makes at this moment.
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as Collect;
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
