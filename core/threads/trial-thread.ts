// Where modules are tried before any shard hears of them: a thread of its own that is there while there is one to try, and that
// ends when a module keeps it busy for too long.

import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { Findings, TrialTask } from '../wasm/trial/trial-task.ts';

const TASK = new URL(`../wasm/trial/trial-task${extname(import.meta.filename)}`, import.meta.url);
/** Starting has its own fuel; this is for what fuel does not see, such as compiling a huge module. */
const DEADLINE_MS = 20_000;
const IDLE_MS = 2_000;

export class TrialThread {
  private pool: Piscina | null = null;
  private readonly deadlineMs: number;

  constructor(deadlineMs = DEADLINE_MS) {
    this.deadlineMs = deadlineMs;
  }

  /** Never rejects for what the module is or does. */
  async run(task: TrialTask): Promise<Findings> {
    this.pool ??= this.open();
    const signal = AbortSignal.timeout(this.deadlineMs);
    try {
      return (await this.pool.run(task, { signal })) as Findings;
    } catch (error) {
      const late = signal.aborted ? `not tried within ${this.deadlineMs / 1000} s` : (error as Error).message;
      return { refusal: late, code: null, refusals: [] };
    }
  }

  async close(): Promise<void> {
    await this.pool?.destroy();
  }

  private open(): Piscina {
    return new Piscina({
      filename: TASK.href,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: IDLE_MS,
      atomics: 'disabled',
    });
  }
}
