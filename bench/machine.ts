// Where and with what it was measured: figures without this mean nothing.

import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly system: string;
  readonly node: string;
  /** Of the last minute before the run: above a few tenths, somebody else is at work too. */
  readonly loadAverage: number;
  /** ISO 8601, the start of the run. */
  readonly date: string;
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: `${type()} ${release()}`,
    node: process.version,
    loadAverage: Math.round(loadavg()[0] * 100) / 100,
    date: new Date().toISOString(),
  };
}
