// What the main thread and its shards say to each other. Plain data and compiled modules only. Types only.

import type { MessagePort } from 'node:worker_threads';

import type { Problem, Resource } from '../config/resource.ts';
import type { Credential } from '../credential.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { PluginType } from '../wasm/guest/spec.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';
import type { Node, Served, WorkloadIdentity } from '../workload.ts';
import type { ShardMemory } from './memory.ts';

/** A change of configuration; with `full` everything that is not in `upserts` is gone. */
export interface ConfigUpdate {
  readonly revision: number;
  readonly full: boolean;
  readonly upserts: readonly Resource[];
  readonly removals: readonly string[];
}

/** A change of who serves what, by who says it. */
export interface EndpointUpdate {
  readonly upserts: readonly (readonly [key: string, served: Served])[];
  readonly removals: readonly string[];
}

/** The code of a built-in, which runs unmetered. */
export interface ModuleSpec {
  readonly name: string;
  readonly digest: string;
  readonly module: WebAssembly.Module;
}

/** The code of plugins: metered, compiled and proven by a trial before a shard hears of it. */
export interface PluginModule {
  /** See moduleKey. */
  readonly key: string;
  readonly module: WebAssembly.Module;
  /** What its callbacks say that it is. */
  readonly type: PluginType;
}

/** Piscina task data: what a shard is born with. */
export interface ShardStart {
  readonly index: number;
  readonly shards: number;
  readonly node: Node;
  readonly port: MessagePort;
  /** See threads/pulse.ts. */
  readonly pulse: SharedArrayBuffer;
  /** Float64 statistics slots of this shard, see telemetry/. */
  readonly statistics: SharedArrayBuffer;
  /** What all shards share. */
  readonly shared: ShardMemory;
  readonly modules: readonly ModuleSpec[];
  /** Series that an earlier shard of this index announced: their slots go on counting. */
  readonly series: readonly Series[];
  /** Threads for slow filters that may be asked for. */
  readonly filterThreads: number;
  readonly options: ShardOptions;
}

/** A metric with its labels, and where its numbers lie in the shard's statistics. */
export interface Series {
  readonly slot: number;
  readonly name: string;
  readonly labels: readonly string[];
  /** When a Telemetry resource chose them: the labels' names, and the families that are shown (bits, in their order). */
  readonly chosen?: { readonly names: readonly string[]; readonly families: number };
}

export interface ShardOptions {
  /** Ports of this machine's loopback that no request may be sent to: this proxy's admin, the mesh's own servers. */
  readonly protectedPorts: readonly number[];
  readonly reusePort: boolean;
  readonly logLevel: LogLevel;
  readonly accessLog: 'text' | 'json' | 'off';
  readonly outboundPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  /** Requests under way on one shard, above which it sheds with 503 and Retry-After. */
  readonly maxActiveRequests: number;
  readonly drainTimeoutMs: number;
  /** How long a client may take for a handshake. */
  readonly handshakeTimeoutMs: number;
  /** The same for all shards of a proxy, and nobody else's: sessions of TLS that one began are resumed by others. */
  readonly sessionSeed: string;
  /** A label set that counted nothing for so long is given up. */
  readonly seriesExpiryMs: number;
}

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

export type ToShard =
  | { readonly type: 'config'; readonly update: ConfigUpdate; readonly listeners: readonly ListenerSpec[] }
  /** A part of the next configuration, which may be too large to be read in one go. */
  | { readonly type: 'resources'; readonly upserts: readonly Resource[] }
  | { readonly type: 'endpoints'; readonly update: EndpointUpdate }
  /** The keys of a token issuer by where they are fetched from; null: nobody refers to them any more. */
  | { readonly type: 'keys'; readonly source: string; readonly keys: string | null }
  | { readonly type: 'identity'; readonly identity: WorkloadIdentity }
  /** What the configuration names and does not hold; null: it is no more. */
  | { readonly type: 'credential'; readonly name: string; readonly credential: Credential | null }
  /** All plugins' modules that the next configuration may name; those that are not among them are forgotten. */
  | { readonly type: 'modules'; readonly modules: readonly PluginModule[] }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'query'; readonly id: number; readonly what: DumpKind }
  | { readonly type: 'drain' }
  /** Cuts off what is left; answered by 'drained' when all of it is in the log. */
  | { readonly type: 'close' };

export type DumpKind = 'listeners' | 'routes' | 'clusters' | 'endpoints' | 'filters' | 'http2' | 'snapshot';

export type FromShard =
  | {
      readonly type: 'applied';
      readonly revision: number;
      readonly ok: boolean;
      readonly problems: readonly Problem[];
      readonly ms: number;
    }
  | ({ readonly type: 'series' } & Series)
  /** The slot counts nothing any more; it is cleared a minute later. */
  | { readonly type: 'series-gone'; readonly slot: number }
  | { readonly type: 'access-log'; readonly lines: string }
  | { readonly type: 'log'; readonly level: LogLevel; readonly component: string; readonly message: string }
  | { readonly type: 'plugin-restarted'; readonly plugin: string; readonly reason: RestartReason }
  /** A token names a key that its issuer's set does not have. */
  | { readonly type: 'keys-missing'; readonly source: string }
  /** One end of a channel, for this thread for slow filters. */
  | { readonly type: 'filter-thread'; readonly thread: number; readonly port: MessagePort }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'drained' };
