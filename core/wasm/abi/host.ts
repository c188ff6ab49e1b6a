// What one shard gives to all its guests by host functions: log, clock, randomness, shared state. Types, and nothing of the
// request path.

import type { LogLevel } from '../../shard/protocol.ts';
import type { Timers } from '../../timers.ts';
import type { Node } from '../../workload.ts';
import type { Metrics } from '../shared/metrics.ts';
import type { Queues } from '../shared/queues.ts';
import type { SharedData } from '../shared/shared-data.ts';
import type { Observer } from './observer.ts';
import type { Upstreams } from './upstreams.ts';

export interface Host {
  readonly node: Node;
  /** The time-outs that weft_wake_after arms. */
  timers(): Timers;
  readonly shared: SharedData;
  readonly queues: Queues;
  /** True for the guest that only tries a configuration out. */
  readonly trial: boolean;
  readonly metrics: Metrics;
  /** Whom guests may call. */
  readonly upstreams: Upstreams;
  /** Lowest guest level (abi.ts GuestLog) that is logged. */
  readonly logThreshold: number;
  /** Milliseconds by the shard's wheel, on a scale that all shards share. */
  coarse(): number;
  /** Watches every guest, or null. */
  readonly observer: Observer | null;
  log(level: LogLevel, plugin: string, message: string): void;
  random(bytes: Uint8Array): void;
  /** Milliseconds since the epoch. */
  now(): number;
}
