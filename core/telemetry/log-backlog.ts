// How much of a shard's access log is on its way to whoever writes it down, kept in the shard's statistics: the shard counts
// what it posts, the main thread what it has written or thrown away. Each slot has one writer.

import { LOG_DROPPED, LOG_POSTED, LOG_WRITTEN } from './statistics.ts';

export class LogBacklog {
  private readonly slots: Float64Array;

  constructor(statistics: SharedArrayBuffer) {
    this.slots = new Float64Array(statistics);
  }

  /** Characters posted and neither written nor thrown away. */
  get unwritten(): number {
    return Math.max(0, this.slots[LOG_POSTED] - this.slots[LOG_WRITTEN]);
  }

  /** Lines that the shard dropped because too much was on its way. */
  get dropped(): number {
    return this.slots[LOG_DROPPED];
  }

  /** The shard's: what its predecessor had on its way may never arrive. */
  reset(): void {
    this.slots[LOG_POSTED] = this.slots[LOG_WRITTEN];
  }

  /** The shard's. */
  posted(chars: number): void {
    this.slots[LOG_POSTED] += chars;
  }

  /** The shard's. */
  lost(lines: number): void {
    this.slots[LOG_DROPPED] += lines;
  }

  /** The main thread's. */
  written(chars: number): void {
    this.slots[LOG_WRITTEN] += chars;
  }
}
