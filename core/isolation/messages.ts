// What a shard and a thread for slow filters say to each other, over a channel of their own. A shard posts a list of
// messages at a time, and so does the thread; within a channel all of them keep their order. Types only.

import type { MessagePort } from 'node:worker_threads';

import type { Flag } from '../errors.ts';
import type { Direction, LocalReply } from '../exchange/filter.ts';
import type { LogLevel } from '../shard/protocol.ts';
import type { PluginStatus } from '../wasm/guest/runtime.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';
import type { SharedMemory } from '../wasm/shared/shared-memory.ts';
import type { Node } from '../workload.ts';
import type { Facts, HeadChanges, LaterFacts, PackedHead, PackedToken, PackedWhole } from './packing.ts';

/** Piscina task data: what a thread is born with. */
export interface FilterThreadStart {
  readonly index: number;
  /** Its own place in what all threads share, behind those of the shards. */
  readonly slot: number;
  readonly node: Node;
  /** To the main thread. */
  readonly port: MessagePort;
  /** See threads/pulse.ts. */
  readonly pulse: SharedArrayBuffer;
  readonly shared: SharedMemory;
  readonly logLevel: LogLevel;
  /** Names of plugins that are not to be run for now: they kept threads busy again and again. */
  readonly barred: readonly string[];
}

/** From the main thread. */
export type FilterThreadOrder =
  /** A shard wants to be served. */
  | { readonly type: 'shard'; readonly port: MessagePort }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'barred'; readonly plugins: readonly string[] };

/** To the main thread. */
export type FilterThreadNews =
  | { readonly type: 'ready' }
  /** What it works on when its pulse says this number. */
  | { readonly type: 'plugin'; readonly number: number; readonly name: string }
  | { readonly type: 'log'; readonly level: LogLevel; readonly component: string; readonly message: string }
  | { readonly type: 'plugin-restarted'; readonly plugin: string; readonly reason: RestartReason };

/** Plugins, streams and calls have numbers that the side which makes them chooses. */
export type ToFilterThread =
  | { readonly type: 'configure'; readonly plugin: number; readonly spec: PluginSpec }
  | { readonly type: 'retire'; readonly plugin: number }
  | StreamEvent
  /** Facts: for a filter that has anything to say at the end. */
  | { readonly type: 'done'; readonly stream: number; readonly facts: LaterFacts | null }
  | { readonly type: 'answer'; readonly call: number; readonly outcome: CallOutcome };

/** Each is answered by one verdict. */
export type StreamEvent = AnyEvent & (HeadEvent | BodyEvent | TrailersEvent);

export interface AnyEvent {
  readonly stream: number;
  readonly direction: Direction;
  /** What it weighs while it waits, in bytes. */
  readonly size: number;
  /** With the first event of a stream. */
  readonly opening: Opening | null;
}

export interface Opening {
  readonly plugin: number;
  /** This route's configuration. */
  readonly config: Uint8Array | null;
  readonly facts: Facts;
  readonly request: PackedHead;
  readonly token: PackedToken | null;
  readonly state: Properties | null;
}

export interface HeadEvent {
  readonly type: 'head';
  readonly end: boolean;
  /** Null: it is the request's, as the stream was opened with. */
  readonly response: {
    readonly head: PackedHead;
    /** When it has changed since. */
    readonly request: PackedHead | null;
    readonly facts: LaterFacts;
    readonly state: Properties | null;
  } | null;
}

export interface BodyEvent {
  readonly type: 'body';
  /** What the filter has not been shown yet. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly end: boolean;
}

export interface TrailersEvent {
  readonly type: 'trailers';
  readonly trailers: PackedHead;
  readonly facts: LaterFacts;
}

export type FromFilterThread =
  | {
      readonly type: 'verdict';
      readonly stream: number;
      readonly direction: Direction;
      /** Of the event that it answers: what no longer waits. */
      readonly size: number;
      readonly pause: boolean;
      readonly changes: Changes | null;
    }
  /** A filter asks for something between its callbacks. */
  | { readonly type: 'asked'; readonly stream: number; readonly changes: Changes }
  | {
      readonly type: 'call';
      readonly call: number;
      readonly plugin: string;
      readonly upstream: string;
      /** Of the plugin that calls: core/wasm/guest/spec.ts. */
      readonly mayCall: readonly string[] | null;
      readonly request: PackedWhole;
      readonly timeoutMs: number;
      /** As core/wasm/abi/upstreams.ts has it. */
      readonly http2: boolean;
    }
  | { readonly type: 'give-up'; readonly call: number }
  /** About once a second, when something has changed. */
  | { readonly type: 'status'; readonly plugin: number; readonly status: ThreadStatus };

/** How a plugin fares on one thread. */
export type ThreadStatus = Omit<PluginStatus, 'name' | 'digest' | 'configuration' | 'streams'>;

/** Set by proxy_set_property. */
export type Properties = readonly (readonly [string, Uint8Array])[];

/** What a filter did to its exchange since the last message about it: nothing is there for what it left alone. */
export interface Changes {
  readonly request?: MessageChanges;
  readonly response?: MessageChanges;
  readonly close?: true;
  readonly reply?: LocalReply;
  readonly flags?: readonly Flag[];
  readonly clearRouteCache?: true;
  readonly state?: Properties;
}

export interface MessageChanges {
  readonly head?: HeadChanges;
  readonly trailers?: HeadChanges;
  /** What is to go on, of a message that the filter lets go, in place of what it was shown. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** The message ends with its head. */
  readonly ends?: true;
  readonly resume?: true;
}

export type CallOutcome = PackedWhole | { readonly failure: string };
