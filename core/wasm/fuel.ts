// What the rewriter of third-party modules (plugins/meter) and the host agree on. The guest pays from the global as it
// runs and traps below zero; the host fills it before every callback. Modules of our own have no such global.

/** The exported, mutable i32. */
export const FUEL_GLOBAL = '__fuel';
/** The start section's function, moved to an export: it runs once the host can see the memory. */
export const START_EXPORT = '_mesh_start';

/** Units, each about one instruction. Starting includes the set-up of a language's runtime. */
export interface FuelBudget {
  readonly start: number;
  readonly callback: number;
}

export const DEFAULT_FUEL: FuelBudget = { start: 1_000_000_000, callback: 100_000_000 };
