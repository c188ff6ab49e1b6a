// Finds threads that are stuck: one whose pulse stands still for too long is reported. It judges by its own regular looks, so a
// machine that was asleep or a main thread that was late harms nobody.

import { isWorking, PULSE_WORDS, TURN, WORK } from './pulse.ts';

const STARTING_MS = 60_000;
const LOOKS = 10;
const MIN_LOOK_MS = 5;

/** How long a pulse may stand still. */
export interface Limits {
  /** Of a thread that does not beat. */
  readonly silentMs: number;
  /** Of a thread that says that it works on something; not more than the other. */
  readonly workingMs: number;
}

export class Watchdog {
  /** For Pulse, of all threads. */
  readonly memory: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly last: Int32Array;
  private readonly stillMs: Float64Array;
  private readonly state: ('off' | 'starting' | 'on')[];
  private readonly limits: Limits;
  private readonly everyMs: number;
  private readonly onStuck: (index: number, stillMs: number, work: number) => void;
  private interval: NodeJS.Timeout | null = null;
  private lookedAt: number;

  /** `work`: the number of what the thread works on; 0: nothing. */
  constructor(
    count: number,
    limits: Limits,
    onStuck: (index: number, stillMs: number, work: number) => void,
    now = performance.now(),
  ) {
    this.memory = new SharedArrayBuffer(count * PULSE_WORDS * Int32Array.BYTES_PER_ELEMENT);
    this.words = new Int32Array(this.memory);
    this.last = new Int32Array(count);
    this.stillMs = new Float64Array(count);
    this.state = new Array(count).fill('off');
    this.limits = limits;
    this.everyMs = Math.max(MIN_LOOK_MS, limits.workingMs / LOOKS);
    this.onStuck = onStuck;
    this.lookedAt = now;
  }

  /** A thread is being made: loading its code and doing its first work may take long. Looks from now on. */
  begin(index: number): void {
    this.last[index] = this.turn(index);
    this.stillMs[index] = 0;
    this.state[index] = 'starting';
    this.interval ??= setInterval(() => this.look(performance.now()), this.everyMs).unref();
  }

  started(index: number): void {
    if (this.state[index] !== 'starting') return;
    this.stillMs[index] = 0;
    this.state[index] = 'on';
  }

  end(index: number): void {
    this.state[index] = 'off';
  }

  stop(): void {
    if (this.interval !== null) clearInterval(this.interval);
  }

  /** Called by the interval, and by tests with their own clock. */
  look(now: number): void {
    const { last, stillMs, state, limits } = this;
    // However late this look is, it counts as one: the threads may have been kept from running by the same cause.
    const passed = Math.min(now - this.lookedAt, this.everyMs * 1.5);
    this.lookedAt = now;
    for (let index = 0; index < last.length; index++) {
      const turn = this.turn(index);
      if (turn !== last[index]) {
        last[index] = turn;
        stillMs[index] = 0;
        continue;
      }
      stillMs[index] += passed;
      if (state[index] === 'off') continue;
      const working = isWorking(turn);
      const limit = state[index] === 'starting' ? STARTING_MS : working ? limits.workingMs : limits.silentMs;
      if (stillMs[index] <= limit) continue;
      this.onStuck(index, stillMs[index], working ? Atomics.load(this.words, index * PULSE_WORDS + WORK) : 0);
    }
  }

  private turn(index: number): number {
    return Atomics.load(this.words, index * PULSE_WORDS + TURN);
  }
}
