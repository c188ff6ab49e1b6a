// Ends what consists of several: each step has its time, and a later one runs whatever became of those before it. Nobody's end
// waits for a bus that does not answer.
import { setTimeout as delay } from 'node:timers/promises';

export interface Step {
  /** As a clause: 'leaving discovery'. */
  readonly what: string;
  /** How long is waited for it at most. */
  readonly ms: number;
  end(): unknown;
}

/** Never rejects. `told` hears, a sentence each, what failed and what was not over in its time. */
export async function endInOrder(steps: readonly Step[], told: (sentence: string) => void): Promise<void> {
  for (const { what, ms, end } of steps) {
    try {
      const over = await within(ms, Promise.resolve(end()));
      if (!over) told(`${what} takes longer than ${ms} ms and is not waited for`);
    } catch (error) {
      told(`${what} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Whether it was over in time; what becomes of it later is nobody's business. Rejects as it does in that time. */
export async function within(ms: number, ending: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([ending.then(() => true), late]);
  } finally {
    timer.abort();
  }
}
