// How the main thread sees that a thread for slow filters is in a loop: each has two words in shared memory.
//
//   turn    odd while it works on something for a stream; it grows with every beginning, end and heartbeat
//   plugin  the number of the plugin that it works for
//
// A turn that stands still for too long is reported. Time counts by the watcher's own regular looks, as in main/watchdog.ts.

const WORDS = 2;
const TURN = 0;
const PLUGIN = 1;
const LOOKS = 10;
const STARTING_MS = 60_000;
/** A loop outside of streams (a timer's callback) shows as a heart that does not beat. */
const HEARTLESS_MS = 5_000;
export const HEARTBEAT_MS = 100;

export function createBusy(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The thread's side. */
export class Busy {
  private readonly words: Int32Array;
  private readonly at: number;

  constructor(memory: SharedArrayBuffer, index: number) {
    this.words = new Int32Array(memory);
    this.at = index * WORDS;
    // A thread that was killed in the middle left an odd number.
    if ((Atomics.load(this.words, this.at) & 1) === 1) Atomics.add(this.words, this.at, 1);
  }

  begin(plugin: number): void {
    Atomics.store(this.words, this.at + PLUGIN, plugin);
    Atomics.add(this.words, this.at + TURN, 1);
  }

  end(): void {
    Atomics.add(this.words, this.at + TURN, 1);
  }

  /** Between turns. */
  beat(): void {
    Atomics.add(this.words, this.at + TURN, 2);
  }
}

export type OnStuck = (index: number, silentMs: number, plugin: number) => void;

/** The main thread's side. */
export class BusyWatch {
  private readonly words: Int32Array;
  private readonly last: Int32Array;
  private readonly silentMs: Float64Array;
  private readonly state: ('off' | 'starting' | 'on')[];
  private readonly deadlineMs: number;
  private readonly onStuck: OnStuck;
  private readonly everyMs: number;
  private readonly interval: NodeJS.Timeout;
  private lookedAt: number;

  constructor(memory: SharedArrayBuffer, deadlineMs: number, onStuck: OnStuck, now = performance.now()) {
    this.words = new Int32Array(memory);
    const threads = this.words.length / WORDS;
    this.last = new Int32Array(threads);
    this.silentMs = new Float64Array(threads);
    this.state = new Array(threads).fill('off');
    this.deadlineMs = deadlineMs;
    this.onStuck = onStuck;
    this.everyMs = Math.max(5, deadlineMs / LOOKS);
    this.lookedAt = now;
    this.interval = setInterval(() => this.look(performance.now()), this.everyMs);
    this.interval.unref();
  }

  /** A thread is being made. */
  begin(index: number): void {
    this.silentMs[index] = 0;
    this.state[index] = 'starting';
  }

  started(index: number): void {
    this.silentMs[index] = 0;
    if (this.state[index] === 'starting') this.state[index] = 'on';
  }

  end(index: number): void {
    this.state[index] = 'off';
  }

  stop(): void {
    clearInterval(this.interval);
  }

  /** Called by the interval, and by tests with their own clock. */
  look(now: number): void {
    const passed = Math.min(now - this.lookedAt, this.everyMs * 1.5);
    this.lookedAt = now;
    for (let index = 0; index < this.last.length; index++) {
      const turn = Atomics.load(this.words, index * WORDS + TURN);
      if (turn !== this.last[index]) {
        this.last[index] = turn;
        this.silentMs[index] = 0;
        continue;
      }
      this.silentMs[index] += passed;
      const state = this.state[index];
      if (state === 'off') continue;
      const working = (turn & 1) === 1;
      const limit = state === 'starting' ? STARTING_MS : working ? this.deadlineMs : this.heartlessMs;
      if (this.silentMs[index] <= limit) continue;
      this.onStuck(index, this.silentMs[index], working ? Atomics.load(this.words, index * WORDS + PLUGIN) : 0);
    }
  }

  private get heartlessMs(): number {
    return Math.max(HEARTLESS_MS, this.deadlineMs);
  }
}
