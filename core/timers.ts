// Time-outs of a shard: a hashed wheel with one slow interval for all of them. Arming and cancelling are two pointer
// writes; precision is one tick. Nothing on the request path calls setTimeout.

/** Something that can be late. Intrusive: the entry is its own list node, so arming allocates nothing. */
export abstract class Timer {
  next: Timer | null = null;
  previous: Timer | null = null;
  /** The tick at which it expires; 0 when not armed. */
  due = 0;
  /** Called once per arming, from the wheel's interval. May arm again. */
  abstract expired(): void;
}

const SLOTS = 512;

export class Timers {
  /** Ticks since the start: a clock that costs one property read, good to `tickMs`. */
  tick = 1;
  readonly tickMs: number;
  private readonly slots: (Timer | null)[] = new Array(SLOTS).fill(null);
  private interval: NodeJS.Timeout | null = null;
  private readonly now: () => number;
  private readonly started: number;

  constructor(tickMs = 20, now: () => number = () => performance.now()) {
    this.tickMs = tickMs;
    this.now = now;
    this.started = now();
    this.interval = setInterval(() => this.advance(), tickMs);
    this.interval.unref();
  }

  /** Milliseconds since the start, by the real clock: `tick` is behind it while the event loop is busy. */
  age(): number {
    return this.now() - this.started;
  }

  /** Expires `timer` after at least `ms`; an armed timer is moved. */
  arm(timer: Timer, ms: number): void {
    if (timer.due !== 0) this.cancel(timer);
    timer.due = this.tick + Math.max(1, Math.ceil(ms / this.tickMs)) + 1;
    const slot = timer.due & (SLOTS - 1);
    const first = this.slots[slot];
    timer.next = first;
    timer.previous = null;
    if (first !== null) first.previous = timer;
    this.slots[slot] = timer;
  }

  cancel(timer: Timer): void {
    if (timer.due === 0) return;
    if (timer.previous === null) this.slots[timer.due & (SLOTS - 1)] = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.due = 0;
  }

  stop(): void {
    if (this.interval !== null) clearInterval(this.interval);
    this.interval = null;
  }

  /** Runs the wheel up to the present; called by the interval, and by tests with their own clock. */
  advance(): void {
    const target = 1 + Math.floor((this.now() - this.started) / this.tickMs);
    while (this.tick < target) {
      this.tick++;
      this.expire(this.tick & (SLOTS - 1));
    }
  }

  private expire(slot: number): void {
    // Collected first: what expires may arm and cancel others in this very slot.
    let due: Timer[] | null = null;
    for (let timer = this.slots[slot]; timer !== null; timer = timer.next) {
      if (timer.due <= this.tick) {
        due ??= [];
        due.push(timer);
      }
    }
    if (due === null) return;
    for (const timer of due) {
      if (timer.due === 0 || timer.due > this.tick) continue;
      this.cancel(timer);
      timer.expired();
    }
  }
}
