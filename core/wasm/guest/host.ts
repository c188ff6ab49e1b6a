// What one shard keeps its guests in check by, beside what host functions give them. Types only.

import type { ForeignFunctions } from '../abi/foreign.ts';
import type { Host } from '../abi/host.ts';
import type { FuelBudget } from './fuel.ts';
import type { RestartReason } from './traps.ts';

export interface GuestHost extends Host {
  logThreshold: number;
  /** What our own guests may call by name beside what all may. */
  readonly foreign: ForeignFunctions;
  /** What metered guests may spend. */
  readonly fuel: FuelBudget;
  /** Whole seconds by the shard's wheel: no clock is read. */
  second(): number;
  /** A dead guest has been replaced. */
  restarted(plugin: string, reason: RestartReason): void;
  /** Guests that were built for it are spared calls that they do not need; false: all are called as the ABI says. */
  readonly frames: boolean;
}
