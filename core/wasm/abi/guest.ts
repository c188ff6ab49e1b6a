// The guest that calls a host function, as that function sees it: memory, whose turn it is, and what the plugin, the exchange or
// the connection of that turn can be asked. Types only; core/wasm/guest implements them.

import type { BodyBuffer } from '../../exchange/body-buffer.ts';
import type { Direction, LocalReply } from '../../exchange/filter.ts';
import type { ConnectionRecord, ExchangeRecord } from '../../exchange/record.ts';
import type { Side } from '../../tcp/network-filter.ts';
import type { AbiVersion } from './abi.ts';
import type { Doors } from './doors.ts';
import type { ForeignCaller, ForeignContext, ForeignFunctions } from './foreign.ts';
import type { GrpcCaller, GrpcCalls } from './grpc-calls.ts';
import type { Host } from './host.ts';
import type { HttpCaller, HttpCalls } from './http-calls.ts';
import type { LogRation } from './log-ration.ts';
import type { GuestMemory } from './memory.ts';
import type { Caller } from './upstreams.ts';

export interface Guest extends ForeignCaller {
  readonly abi: AbiVersion;
  readonly host: Host;
  readonly memory: GuestMemory;
  /** WASI environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Host functions that are no part of logging and time may be called only while it is 'running'. */
  readonly stage: 'running' | 'starting' | 'allocating';
  /** Whose callback runs; null between callbacks. */
  readonly current: GuestContext | null;
  /** Whom host functions act for: `current`, unless the guest chose another. */
  readonly effective: GuestContext | null;
  /** True while on_vm_start runs, when proxy_get_configuration means the VM's. */
  readonly startingVm: boolean;
  /** Arguments of the foreign call in progress (buffer 8). */
  readonly foreignArguments: Buffer | null;
  /** What it may call by name beside what all guests may. */
  readonly foreign: ForeignFunctions;
  readonly httpCalls: HttpCalls;
  readonly grpcCalls: GrpcCalls;
  /** By fd_write. */
  print(level: number, text: string): void;
  /** What it prints; null: nothing yet. */
  readonly output: { flush(): void } | null;
  /** What it may log while no plugin's callback runs. */
  readonly logRation: LogRation;
  /** The last thing it said: often why it refuses its configuration. */
  lastMessage: string;
  /** Takes units of fuel, and ends the guest when there are none left. A guest that is not metered pays nothing. */
  pay(units: number): void;
  /** Host functions act for the context of this number from now on. False: there is none. */
  actFor(id: number): boolean;
  /** Raises out of the guest because `name` may not be called at this stage. */
  forbid(name: string): never;
  /** Hands a latin1 string to the guest, which owns it from then on. The status of that. */
  giveText(text: string, pointerAt: number, lengthAt: number): number;
  /** Hands `length` bytes of `source` to the guest. The status of that. */
  giveBytes(source: Uint8Array, start: number, length: number, pointerAt: number, lengthAt: number): number;
}

/** Whose behalf a host function acts on: a plugin's root, one exchange in it, or one connection. */
export interface GuestContext extends ForeignContext {
  readonly plugin: GuestPlugin;
  /** Itself, if it is an exchange's, also when that has ended; else null. */
  readonly http: HttpContext | null;
  /** Itself, if it is a connection's; else null. */
  readonly connection: ConnectionContext | null;
  /** proxy_done: the guest needs it no longer. False: nothing waited for that. */
  finished(): boolean;
}

/** What a guest may ask for during a callback about an exchange; it happens after the callback. */
export type Wish = Direction | 'close request' | 'close response';

export interface HttpContext extends GuestContext {
  ask(wish: Wish): void;
  reply(answer: LocalReply): void;
  /** Calls the guest back after some milliseconds; a second call moves the first. False: not possible here. */
  wakeAfter(ms: number): boolean;
}

export interface ConnectionContext extends GuestContext {
  readonly owner: {
    readonly record: ConnectionRecord;
    /** What is known of it where it is carried as bytes; null: nothing yet. */
    readonly exchange: ExchangeRecord | null;
    readonly state: Map<string, Uint8Array>;
  };
  /** What passes or is held in each direction. */
  readonly data: Readonly<Record<Side, BodyBuffer | null>>;
  /** Happens after the callback. */
  ask(what: 'resume' | 'close', side: Side): void;
}

/** The plugin that a guest runs as. It outlives the guest. */
export interface GuestPlugin extends HttpCaller, GrpcCaller {
  /** Scope of its shared data. */
  readonly scope: Uint8Array;
  readonly logRation: LogRation;
  readonly doors: Doors;
  readonly spec: ForeignContext['plugin']['spec'] &
    Caller & {
      readonly rootId: string;
      readonly vmId: string;
      readonly vmConfiguration: Uint8Array;
      readonly configuration: Uint8Array;
    };
  /** Milliseconds between ticks; 0 stops them. */
  setTick(ms: number): void;
  /** A value is in its queue of this id. */
  queueReady(id: number): void;
}
