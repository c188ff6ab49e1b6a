// What one shard gives to all its guests: log, clock, randomness, shared state. Types, and nothing of the request path.

import type { LogLevel } from '../../shard/protocol.ts';
import type { Timers } from '../../timers.ts';
import type { Node } from '../../workload.ts';
import type { ForeignFunctions } from '../abi/foreign.ts';
import type { Observer } from '../abi/observer.ts';
import type { Upstreams } from '../abi/upstreams.ts';
import type { Metrics } from '../shared/metrics.ts';
import type { Queues } from '../shared/queues.ts';
import type { SharedData } from '../shared/shared-data.ts';
import type { FuelBudget } from './fuel.ts';
import type { RestartReason } from './traps.ts';

export interface Host {
  readonly node: Node;
  /** The time-outs that weft_wake_after arms. */
  timers(): Timers;
  readonly shared: SharedData;
  readonly queues: Queues;
  /** True for the guest that only tries a configuration out. */
  readonly rehearsal: boolean;
  readonly metrics: Metrics;
  /** What our own guests may call by name beside what all may. */
  readonly foreign: ForeignFunctions;
  /** Whom guests may call. */
  readonly upstreams: Upstreams;
  /** Lowest guest level (abi.ts GuestLog) that is logged. */
  logThreshold: number;
  /** What metered guests may spend. */
  readonly fuel: FuelBudget;
  /** Whole seconds by the shard's wheel: no clock is read. */
  second(): number;
  /** Milliseconds by the shard's wheel, on a scale that all shards share. */
  coarse(): number;
  /** A dead guest has been replaced. */
  restarted(plugin: string, reason: RestartReason): void;
  /** Guests that were built for it are spared calls that they do not need; false: all are called as the ABI says. */
  readonly frames: boolean;
  /** Watches every guest, or null. */
  readonly observer: Observer | null;
  log(level: LogLevel, plugin: string, message: string): void;
  random(bytes: Uint8Array): void;
  /** Milliseconds since the epoch. */
  now(): number;
}
