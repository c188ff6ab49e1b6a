// What a foreign function is: one that guests call by name, beside those of the ABI. Types only. A few are the host's own
// (host-foreign.ts); whoever runs guests injects the others, and the host knows none of them by name.

import type { FilterConfiguration, FilterStream } from '../../exchange/filter.ts';
import type { Timers } from '../../timers.ts';
import type { Metrics } from '../shared/metrics.ts';
import type { GuestMemory } from './memory.ts';

/** Its parameters lie in the caller's memory, from `at`. Returns a status, or bytes for the guest. */
export type ForeignFunction = (caller: ForeignCaller, at: number, length: number) => number | Uint8Array;

/** By name. */
export type ForeignFunctions = ReadonlyMap<string, ForeignFunction>;

/** The guest that calls. */
export interface ForeignCaller {
  readonly memory: Pick<GuestMemory, 'bytes' | 'latin1' | 'utf8' | 'u32'>;
  readonly host: ForeignHost;
  /** Whose callback runs; null between callbacks. */
  readonly current: ForeignContext | null;
  /** Whom the function acts for: `current`, unless the guest chose another. */
  readonly effective: ForeignContext | null;
}

/** A plugin's root, one stream of it, or one connection. */
export interface ForeignContext {
  readonly plugin: { readonly spec: { readonly builtin: FilterConfiguration | null } };
  /** Null: there is no exchange, or none any more. */
  readonly stream: FilterStream | null;
  /** What the route says to this filter, if it says something. */
  readonly config: FilterConfiguration | null;
  /** Is told when the stream ends. Nothing else ends. */
  whenDone: Ending | null;
}

export interface Ending {
  end(): void;
}

/** What the shard gives to all of its guests. */
export interface ForeignHost {
  readonly metrics: Pick<Metrics, 'define' | 'count'>;
  timers(): Pick<Timers, 'tickMs'>;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds by the shard's wheel, on a scale that all shards share. */
  coarse(): number;
}
