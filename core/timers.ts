// Time-outs of a shard: a hashed wheel with one slow interval for all of them. Arming and cancelling are a few
// pointer writes; precision is one tick. Nothing on the request path calls setTimeout. And the time itself, which what a callback of
// a socket does asks for once: a request of which all is there begins and goes on in one.

/** Below 0: no such callback runs; 0: it has not asked yet. */
let turn = -1;

export function beginTurn(): void {
  turn = 0;
}

export function endTurn(): void {
  turn = -1;
}

/** As performance.now() had it when the callback that runs first asked. */
export function turnTime(): number {
  if (turn > 0) return turn;
  const now = performance.now();
  if (turn === 0) turn = now;
  return now;
}

/** How long ago that was. Of what one callback has begun and ended, the time that it took counts. */
export function sinceTurn(started: number): number {
  const now = turnTime();
  return (now === started ? performance.now() : now) - started;
}

/** Who hears that its time has come: once per arming, from the wheel's interval. May arm again. */
export interface TimerOwner {
  expired(): void;
}

/** A time-out, and its own place in the wheel's lists, so that arming allocates nothing. */
export class Timer {
  next: Timer | null = null;
  previous: Timer | null = null;
  /** The tick at which it expires; 0 when not armed. */
  due = 0;
  /** The tick at which the wheel looks at it, at the latest when it is due; 0 when it is in no list. */
  looked = 0;
  readonly owner: TimerOwner;

  constructor(owner: TimerOwner) {
    this.owner = owner;
  }
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

  /** Milliseconds since `tick` was this, good to `tickMs`. */
  since(tick: number): number {
    return (this.tick - tick) * this.tickMs;
  }

  /** Milliseconds since the start, by the real clock: `tick` is behind it while the event loop is busy. */
  age(): number {
    return this.now() - this.started;
  }

  /** Expires `timer` after at least `ms`; an armed timer is moved. To later moves nothing until the wheel comes by. */
  arm(timer: Timer, ms: number): void {
    const due = this.tick + Math.max(1, Math.ceil(ms / this.tickMs)) + 1;
    timer.due = due;
    if (timer.looked !== 0) {
      if (timer.looked <= due) return;
      this.unlink(timer);
    }
    this.link(timer, due);
  }

  cancel(timer: Timer | null): void {
    if (timer === null) return;
    timer.due = 0;
    if (timer.looked !== 0) this.unlink(timer);
  }

  /** As `cancel`, for what is armed again soon and lives long: it keeps its place in the wheel, where nothing happens. */
  silence(timer: Timer): void {
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
    let reached: Timer[] | null = null;
    for (let timer = this.slots[slot]; timer !== null; timer = timer.next) {
      if (timer.looked <= this.tick) {
        reached ??= [];
        reached.push(timer);
      }
    }
    if (reached === null) return;
    for (const timer of reached) {
      if (timer.looked === 0 || timer.looked > this.tick) continue;
      this.unlink(timer);
      if (timer.due > this.tick) this.link(timer, timer.due);
      else if (timer.due !== 0) {
        timer.due = 0;
        timer.owner.expired();
      }
    }
  }

  private link(timer: Timer, tick: number): void {
    const slot = tick & (SLOTS - 1);
    const first = this.slots[slot];
    timer.looked = tick;
    timer.next = first;
    timer.previous = null;
    if (first !== null) first.previous = timer;
    this.slots[slot] = timer;
  }

  private unlink(timer: Timer): void {
    if (timer.previous === null) this.slots[timer.looked & (SLOTS - 1)] = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.looked = 0;
  }
}
