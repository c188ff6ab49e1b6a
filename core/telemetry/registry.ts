// The main thread's side of the statistics: the memory of every shard index, and which series lie where in it. It outlives
// the shards.

import type { Series } from '../shard/protocol.ts';
import { LogBacklog } from './log-backlog.ts';
import { isSeries, STATISTICS_BYTES } from './statistics.ts';

export class StatisticsRegistry {
  /** By shard index. */
  readonly memory: readonly SharedArrayBuffer[];
  private readonly views: readonly Float64Array[];
  private readonly bySlot: readonly Map<number, Series>[];
  private readonly backlogs: readonly LogBacklog[];

  constructor(shards: number) {
    this.memory = Array.from({ length: shards }, () => new SharedArrayBuffer(STATISTICS_BYTES));
    this.views = this.memory.map((memory) => new Float64Array(memory));
    this.bySlot = this.memory.map(() => new Map());
    this.backlogs = this.memory.map((memory) => new LogBacklog(memory));
  }

  get shards(): number {
    return this.memory.length;
  }

  /** A shard counts in these slots from now on. */
  announced(shard: number, { slot, name, labels, chosen }: Series): void {
    const series: Series = { slot, name, labels, chosen };
    if (isSeries(series)) this.bySlot[shard].set(slot, series);
  }

  /** The slots count nothing any more. */
  gone(shard: number, slot: number): void {
    this.bySlot[shard].delete(slot);
  }

  /** What the shard of this index has announced so far: a new shard has to know it. */
  series(shard: number): readonly Series[] {
    return [...this.bySlot[shard].values()];
  }

  slots(shard: number): Float64Array {
    return this.views[shard];
  }

  /** So many characters of a shard's access log are written, or given up. */
  logTaken(shard: number, characters: number): void {
    this.backlogs[shard].written(characters);
  }

  /** Lines of access logs that shards have dropped because writing did not keep up. */
  get logDropped(): number {
    return this.backlogs.reduce((sum, { dropped }) => sum + dropped, 0);
  }
}
