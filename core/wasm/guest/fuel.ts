// What the rewriter of third-party modules (core/wasm/meter) and the host agree on. The guest pays from the global as it
// runs and traps below zero; the host fills it before every callback and takes from it for what it does for the guest.
// Modules of our own have no such global.

import { FuelSpent } from '../abi/abort.ts';

/** The exported, mutable i32. */
export const FUEL_GLOBAL = '__fuel';
/** The start section's function, moved to an export: it runs once the host can see the memory. */
export const START_EXPORT = '_mesh_start';

/**
 * Units, each about one instruction; a thousand million of them keep a core busy for a quarter of a second (runtimes of Go) to
 * a second (loops over memory). Starting includes the set-up of a language's runtime. `stream`: all callbacks of one exchange or
 * connection. `second`: all of a plugin's in one second on one shard, so that many small callbacks cannot do together what none
 * may do alone; more than an honest plugin spends on all requests that a shard can serve (a Go filter 25,000 each).
 */
export interface FuelBudget {
  readonly start: number;
  readonly callback: number;
  readonly stream: number;
  readonly second: number;
}

export const DEFAULT_FUEL: FuelBudget = {
  start: 1_000_000_000,
  callback: 100_000_000,
  stream: 1_000_000_000,
  second: 2_000_000_000,
};

/** Which of them a guest ran into. */
export type FuelLimit = keyof FuelBudget;

/** Units that host calls may cost before they are taken: some microseconds. */
const COLLECTED = 10_000;

/** Who pays for a callback: the stream that it is about, and its plugin. */
export interface FuelPayer {
  /** By all callbacks of this stream so far. A root, which lives as long as its plugin, is not asked. */
  fuelSpent: number;
  readonly plugin: { readonly ration: FuelRation };
}

/** What a plugin has spent in the present second. It outlives the plugin's instances. */
export class FuelRation {
  spent = 0;
  private second = -1;

  /** `second`: whole seconds by any clock. */
  at(second: number): number {
    if (second !== this.second) {
      this.second = second;
      this.spent = 0;
    }
    return this.spent;
  }
}

/** The fuel of one metered instance: fills the guest's global before a callback and books what was used after it. */
export class FuelGauge {
  /** What would have been, or was, the end of the running callback. */
  limit: FuelLimit = 'start';
  private readonly global: WebAssembly.Global;
  private readonly budget: FuelBudget;
  private given = 0;
  /** For host calls, not yet taken from the global, to which the way is long. */
  private owed = 0;

  constructor(global: WebAssembly.Global, budget: FuelBudget) {
    this.global = global;
    this.budget = budget;
  }

  /** True when the guest ran until its fuel was spent. */
  get spent(): boolean {
    return this.global.value < 0;
  }

  /** Units since it was last filled. */
  get used(): number {
    return this.given - Number(this.global.value) + this.owed;
  }

  fillToStart(): void {
    this.limit = 'start';
    this.owed = 0;
    this.global.value = this.given = this.budget.start;
  }

  /** The callback gets the least that one of the limits leaves; nothing left traps it as it begins. */
  begin(payer: FuelPayer, second: number): void {
    const { budget } = this;
    let units = budget.callback;
    this.limit = 'callback';
    const ofStream = budget.stream - payer.fuelSpent;
    if (ofStream < units) {
      units = ofStream;
      this.limit = 'stream';
    }
    const ofSecond = budget.second - payer.plugin.ration.at(second);
    if (ofSecond < units) {
      units = ofSecond;
      this.limit = 'second';
    }
    this.owed = 0;
    this.global.value = this.given = Math.max(0, units);
  }

  /** The host does something for the guest. Throws FuelSpent, through the guest, when that is too much. */
  pay(units: number): void {
    this.owed += units;
    if (this.owed < COLLECTED) return;
    const left = Math.floor(Number(this.global.value) - this.owed);
    this.owed = 0;
    this.global.value = Math.max(-1, left);
    if (left < 0) throw new FuelSpent('the fuel is spent');
  }

  /** It returned. Starting is on the house: it happens once, and never while requests wait for it. */
  end(payer: FuelPayer): void {
    if (this.limit === 'start') return;
    const { used } = this;
    payer.fuelSpent += used;
    payer.plugin.ration.spent += used;
  }
}
