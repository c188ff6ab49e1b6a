// What an exchange may ask of the shard it runs on, and what a shard is born with. Types only; shard/data-plane.ts provides it.

import type { MessagePort } from 'node:worker_threads';
import type { RemoteKeys } from '../builtins/authn/rules.ts';
import type { ObservationLog } from '../builtins/rbac/observed.ts';
import type { FailureCode } from '../errors.ts';
import type { VirtualHost } from '../router/route.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ConnectEnvironment } from '../tcp/upstream-connect.ts';
import type { RecordSink } from '../telemetry/record-sink.ts';
import type { Timers } from '../timers.ts';
import type { ListenerCounts } from '../transport/listener-counts.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';
import type { Node } from '../workload.ts';
import type { ShardMemory } from './memory.ts';
import type { LogLevel, ModuleSpec, ShardOptions } from './protocol.ts';

export interface ShardContext extends ConnectEnvironment {
  readonly node: Node;
  readonly options: ShardOptions;
  readonly timers: Timers;
  /** Exchanges, and connections that are carried, that have begun and not ended on this shard. */
  active: number;
  readonly sink: RecordSink;
  /** Of connections, what policies would do that are not enforced. */
  readonly observed: ObservationLog;
  /** The configuration that requests begin with now. */
  readonly snapshot: Snapshot;
  /**
   * Where a host leads to that the mesh does not know, or knows only by a wildcard (`wildcard`), or why it may not be
   * reached.
   */
  passthrough(authority: string, wildcard: VirtualHost | null): VirtualHost | FailureCode;
  /** [0, 1) */
  random(): number;
  log(level: LogLevel, component: string, message: string): void;
}

/** What a shard's data plane is born with. */
export interface DataPlaneEnvironment {
  readonly node: Node;
  readonly shard: number;
  readonly options: ShardOptions;
  readonly sink: RecordSink;
  readonly modules: readonly ModuleSpec[];
  /** What all shards share. */
  readonly shared: ShardMemory;
  /** Key sets of token issuers. */
  readonly keys: RemoteKeys;
  /** Threads for slow filters, and how one of them gets its end of a channel. */
  readonly filterThreads: { readonly threads: number; connect(thread: number, port: MessagePort): void };
  log(level: LogLevel, component: string, message: string): void;
  /** A filter's guest died and has been replaced. */
  pluginRestarted(plugin: string, reason: RestartReason): void;
}

/** What a listener's requests have in common. */
export interface ListenerContext {
  readonly shard: ShardContext;
  readonly spec: ListenerSpec;
  readonly counts: ListenerCounts;
}
