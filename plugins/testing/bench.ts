// What a plugin's callbacks cost: the exchanges of its fixtures again and again through one instance, with a watch on each
// callback, the fuel that it uses, and what the host allocates in the guest. Says nothing about the host's own work.

import type { Observer } from '../../core/wasm/abi/observer.ts';
import type { FuelBudget } from '../../core/wasm/guest/fuel.ts';
import { TrialSession } from '../../core/wasm/trial/trial-session.ts';
import type { Step, TestCase } from './fixture.ts';
import { type Loaded, specOf } from './run.ts';

export interface CallbackCost {
  readonly callback: string;
  readonly calls: number;
  /** The median, without the watch itself: what preempts this process is not in it. */
  readonly ns: number;
  /** The mean. */
  readonly fuel: number;
}

export interface BenchReport {
  readonly plugin: string;
  readonly exchanges: number;
  /** In the guest, of all callbacks of an exchange together. */
  readonly nsPerExchange: number;
  readonly fuelPerExchange: number;
  /** What the host asked the guest for, to hand things over. */
  readonly allocationsPerExchange: number;
  readonly bytesPerExchange: number;
  /** Of the instance, after warming up, and what it grew by until the end. */
  readonly memoryBytes: number;
  readonly grownBytes: number;
  readonly callbacks: readonly CallbackCost[];
}

const WARM_UP = 300;
/** ms for each test. */
const MEASURED_MS = 400;
const SAMPLES = 8192;
/** More fuel than anything uses: it is counted, and ends nothing but loops without end. */
const FUEL: FuelBudget = { start: 2_000_000_000, callback: 2_000_000_000, stream: 1e15, second: 1e15 };

/** Null when the fixtures have no exchange. Rejects when a callback traps. */
export async function benchPlugin(loaded: Loaded, tests: readonly TestCase[]): Promise<BenchReport | null> {
  const watch = new Stopwatch();
  let exchanges = 0;
  let memoryBytes = 0;
  let grownBytes = 0;
  for (const test of tests) {
    const steps = test.steps.filter(({ kind }) => kind === 'exchange');
    if (steps.length === 0) continue;
    const session = new TrialSession(specOf(loaded, test), FUEL, watch);
    try {
      if (session.refusal !== null) continue;
      watch.running = false;
      for (let i = 0; i < WARM_UP; i++) await once(session, watch, steps[i % steps.length]);
      const before = session.memoryBytes;
      watch.running = true;
      const until = performance.now() + MEASURED_MS;
      for (let i = 0; performance.now() < until; i++, exchanges++) await once(session, watch, steps[i % steps.length]);
      watch.running = false;
      memoryBytes = Math.max(memoryBytes, before);
      grownBytes = Math.max(grownBytes, session.memoryBytes - before);
    } finally {
      session.stop();
    }
    if (watch.trap !== null) throw new Error(`${test.name}: trapped in ${watch.trap}`);
  }
  if (exchanges === 0) return null;
  const callbacks = watch.costs();
  const sum = (of: (cost: CallbackCost) => number): number =>
    callbacks.reduce((total, cost) => total + of(cost) * cost.calls, 0) / exchanges;
  return {
    plugin: loaded.name,
    exchanges,
    nsPerExchange: sum(({ ns }) => ns),
    fuelPerExchange: sum(({ fuel }) => fuel),
    allocationsPerExchange: watch.allocations / exchanges,
    bytesPerExchange: watch.bytes / exchanges,
    memoryBytes,
    grownBytes,
    callbacks,
  };
}

async function once(session: TrialSession, watch: Stopwatch, step: Step): Promise<void> {
  watch.given = step.properties;
  session.upstreams.answers = step.answers;
  session.clock = step.time;
  await session.exchange(step.request, step.response);
}

/** Times of one callback: the latest of them, so that their median is that of a guest which is warm. */
class Sum {
  calls = 0;
  fuel = 0;
  private readonly ms = new Float64Array(SAMPLES);

  add(ms: number, fuel: number): void {
    this.ms[this.calls % SAMPLES] = ms;
    this.calls++;
    this.fuel += fuel;
  }

  get median(): number {
    const sorted = this.ms.slice(0, Math.min(this.calls, SAMPLES)).sort();
    return sorted[sorted.length >> 1];
  }
}

/** Host functions are not watched, so that they cost what they cost in a proxy. */
class Stopwatch implements Observer {
  running = false;
  given: ReadonlyMap<string, Uint8Array> = new Map();
  allocations = 0;
  bytes = 0;
  trap: string | null = null;
  private began = 0;
  private readonly sums = new Map<string, Sum>();

  entered(): void {
    this.began = performance.now();
  }

  returned(callback: string, _result: number | undefined, fuel: number): void {
    const ms = performance.now() - this.began;
    if (!this.running) return;
    const sum = this.sums.get(callback) ?? new Sum();
    if (sum.calls === 0) this.sums.set(callback, sum);
    sum.add(ms, fuel);
  }

  trapped(callback: string, reason: string): void {
    this.trap ??= `${callback}: ${reason}`;
  }

  allocated(bytes: number): void {
    if (!this.running) return;
    this.allocations++;
    this.bytes += bytes;
  }

  log(): void {}

  property(path: string): Uint8Array | undefined {
    return this.given.get(path);
  }

  costs(): CallbackCost[] {
    const own = readingCost();
    return [...this.sums].map(([callback, sum]) => ({
      callback,
      calls: sum.calls,
      ns: Math.max(0, (sum.median - own) * 1e6),
      fuel: sum.fuel / sum.calls,
    }));
  }
}

/** ms that a look at the clock takes, which lies within every measurement. */
function readingCost(): number {
  const times = 20_000;
  const began = performance.now();
  for (let i = 0; i < times; i++) performance.now();
  return (performance.now() - began) / times;
}
