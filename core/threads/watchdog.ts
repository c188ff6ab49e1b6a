// Finds shards whose event loop is stuck: each beats a counter in shared memory, and one that stands still for too long is
// reported. It judges by its own regular looks, so a machine that was asleep or a main thread that was late harms nobody.

const STARTING_MS = 60_000;
const LOOKS = 10;

export class Watchdog {
  /** Int32 by shard index. */
  readonly beats: SharedArrayBuffer;
  private readonly counters: Int32Array;
  private readonly last: Int32Array;
  private readonly silentMs: Float64Array;
  private readonly limitMs: Float64Array;
  private readonly stuckAfterMs: number;
  private readonly onStuck: (index: number, silentMs: number) => void;
  private readonly everyMs: number;
  private readonly interval: NodeJS.Timeout;
  private lookedAt: number;

  constructor(
    count: number,
    stuckAfterMs: number,
    onStuck: (index: number, silentMs: number) => void,
    now = performance.now(),
  ) {
    this.lookedAt = now;
    this.beats = new SharedArrayBuffer(count * 4);
    this.counters = new Int32Array(this.beats);
    this.last = new Int32Array(count);
    this.silentMs = new Float64Array(count);
    this.limitMs = new Float64Array(count);
    this.stuckAfterMs = stuckAfterMs;
    this.onStuck = onStuck;
    this.everyMs = Math.max(20, stuckAfterMs / LOOKS);
    this.interval = setInterval(() => this.look(performance.now()), this.everyMs);
    this.interval.unref();
  }

  /** A shard is being made: loading its code and its first configuration may take long. */
  begin(index: number): void {
    this.last[index] = Atomics.load(this.counters, index);
    this.silentMs[index] = 0;
    this.limitMs[index] = STARTING_MS;
  }

  started(index: number): void {
    if (this.limitMs[index] !== 0) this.limitMs[index] = this.stuckAfterMs;
  }

  end(index: number): void {
    this.limitMs[index] = 0;
  }

  stop(): void {
    clearInterval(this.interval);
  }

  /** Called by the interval, and by tests with their own clock. */
  look(now: number): void {
    // However late this look is, it counts as one: the shards may have been kept from running by the same cause.
    const passed = Math.min(now - this.lookedAt, this.everyMs * 1.5);
    this.lookedAt = now;
    for (let index = 0; index < this.last.length; index++) {
      const beat = Atomics.load(this.counters, index);
      if (beat !== this.last[index]) {
        this.last[index] = beat;
        this.silentMs[index] = 0;
        continue;
      }
      this.silentMs[index] += passed;
      if (this.limitMs[index] > 0 && this.silentMs[index] > this.limitMs[index]) {
        this.onStuck(index, this.silentMs[index]);
      }
    }
  }
}
