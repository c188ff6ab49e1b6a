// A configured plugin in one shard: the FilterFactory that snapshots hold, and the root context that the guest knows.
// It outlives its guest: after a trap the same plugin gets a root in the fresh instance.

import type { FilterConfiguration, FilterFactory, FilterStream, HttpFilter } from '../../exchange/filter.ts';
import type { ConnectionOwner, NetworkFilterFactory } from '../../tcp/network-filter.ts';
import { type Doors, doorsOf } from '../abi/doors.ts';
import type { Ending } from '../abi/foreign.ts';
import { LogRation } from '../abi/log-ration.ts';
import { vmScope } from '../abi/vm-scope.ts';
import { CallTimes } from './call-times.ts';
import { WasmConnection } from './connection.ts';
import type { Callbacks, Context } from './context.ts';
import { FuelRation } from './fuel.ts';
import type { GuestHost } from './host.ts';
import type { Instance } from './instance.ts';
import type { ContextPlugin, ContextVm } from './opener.ts';
import type { PluginSpec } from './spec.ts';
import { WasmStream } from './stream.ts';
import { standIn } from './unavailable-filter.ts';

/** The virtual machine that it runs on, which outlives instances and may be shared with others. */
export interface PluginVm extends ContextVm {
  readonly host: GuestHost;
  readonly plugins: ReadonlySet<Plugin>;
  /** The live one, or null. */
  readonly instance: Instance | null;
  /** Times that it was started again. */
  readonly restarts: number;
  /** True while it crashes again and again. */
  readonly broken: boolean;
  /** Where there is no live one: one started anew if the pause after its death is over; or null. */
  ready(): Instance | null;
  /** A plugin that was let go is needed once more: a request that began before comes to it only now. */
  readmit(plugin: Plugin): void;
  /** A plugin without streams leaves: done, and delete once the guest is done with it. */
  remove(plugin: Plugin): void;
  erase(plugin: Plugin): void;
  callRoot(plugin: Plugin, name: string, callback: keyof Callbacks, ...parameters: number[]): void;
}

export class Plugin implements FilterFactory, NetworkFilterFactory, ContextPlugin {
  readonly name: string;
  readonly spec: PluginSpec;
  readonly vm: PluginVm;
  readonly wants: FilterFactory['wants'];
  /** Scope of its shared data. */
  readonly scope: Uint8Array;
  /** Its root context in the present instance; 0 while there is none. */
  contextId = 0;
  /** Roots are contexts too; they have no stream. */
  readonly root: RootContext;
  readonly ration = new FuelRation();
  readonly logRation = new LogRation();
  readonly doors: Doors;
  readonly times = new CallTimes();
  streams = 0;
  /** Calls and streams that it waits for. */
  calls = 0;
  retired = false;
  private tick: NodeJS.Timeout | null = null;
  private tickMs = 0;
  private waitingForDone = false;

  constructor(spec: PluginSpec, vm: PluginVm, wants: FilterFactory['wants']) {
    this.name = spec.name;
    this.spec = spec;
    this.vm = vm;
    this.wants = wants;
    this.doors = doorsOf(spec.capabilities);
    this.scope = Buffer.from(vmScope(spec.name, spec.vmId));
    this.root = new RootContext(this);
  }

  open(stream: FilterStream, config: FilterConfiguration | null): HttpFilter {
    if (this.retired && !this.vm.plugins.has(this)) this.vm.readmit(this);
    const instance = this.guest();
    if (instance === null) return standIn(stream, this.spec.failStrategy);
    this.streams++;
    return new WasmStream(this, instance, stream, config);
  }

  /** A connection through a network plugin; null: its guest is down, and the plugin's strategy decides. */
  connect(owner: ConnectionOwner): WasmConnection | null {
    const instance = this.guest();
    if (instance === null) return null;
    this.streams++;
    return new WasmConnection(this, instance, owner);
  }

  /** Null: it is down, or has spent what its second allows, and the plugin's strategy decides. */
  private guest(): Instance | null {
    const { host } = this.vm;
    const instance = this.vm.instance ?? this.vm.ready();
    if (instance === null || this.contextId === 0) return null;
    const spent = instance.fuel !== null && this.ration.at(host.second()) >= host.fuel.second;
    return spent ? null : instance;
  }

  get failsOpen(): boolean {
    return this.spec.failStrategy === 'FAIL_OPEN';
  }

  streamEnded(): void {
    this.streams--;
    if (this.retired && this.streams === 0) this.vm.remove(this);
  }

  /** Milliseconds between ticks; 0 stops them. Re-armed after each. */
  setTick(ms: number): void {
    this.tickMs = ms;
    if (this.tick !== null) clearTimeout(this.tick);
    this.tick = null;
    if (ms > 0) this.armTick();
  }

  /** No timer and no queue calls it any more. */
  hush(): void {
    this.setTick(0);
    this.vm.host.queues.leave(this);
  }

  /** Milliseconds between ticks; 0: it wants none. */
  get tickPeriod(): number {
    return this.tickMs;
  }

  queueReady(id: number): void {
    this.vm.callRoot(this, 'proxy_on_queue_ready', 'queueReady', id);
  }

  httpCallEnded(id: number, fields: number, bodyBytes: number, trailers: number): void {
    this.vm.callRoot(this, 'proxy_on_http_call_response', 'httpCallResponse', id, fields, bodyBytes, trailers);
  }

  grpcHead(id: number, fields: number): void {
    this.vm.callRoot(this, 'proxy_on_grpc_receive_initial_metadata', 'grpcHead', id, fields);
  }

  grpcMessage(id: number, bytes: number): void {
    this.vm.callRoot(this, 'proxy_on_grpc_receive', 'grpcMessage', id, bytes);
  }

  grpcTrailers(id: number, fields: number): void {
    this.vm.callRoot(this, 'proxy_on_grpc_receive_trailing_metadata', 'grpcTrailers', id, fields);
  }

  grpcClosed(id: number, status: number): void {
    this.vm.callRoot(this, 'proxy_on_grpc_close', 'grpcClosed', id, status);
  }

  /** The root was told to end and asked for time. */
  awaitDone(): void {
    this.waitingForDone = true;
  }

  /** proxy_done for the root. False: nothing waited for that. */
  finished(): boolean {
    if (!this.waitingForDone) return false;
    this.waitingForDone = false;
    setImmediate(() => {
      // A stream that came meanwhile ends it when it ends.
      if (this.streams === 0) this.vm.erase(this);
    });
    return true;
  }

  private armTick(): void {
    this.tick = setTimeout(() => {
      this.tick = null;
      this.vm.callRoot(this, 'proxy_on_tick', 'tick');
      if (this.tickMs > 0 && this.tick === null) this.armTick();
    }, this.tickMs);
    this.tick.unref();
  }
}

class RootContext implements Context {
  readonly plugin: Plugin;
  readonly stream = null;
  readonly config = null;
  readonly http = null;
  readonly connection = null;
  whenDone: Ending | null = null;
  constructor(plugin: Plugin) {
    this.plugin = plugin;
  }
  get id(): number {
    return this.plugin.contextId;
  }
  finished(): boolean {
    return this.plugin.finished();
  }
  /** It outlives the guest. */
  abandon(): void {}
  /** It lives as long as its plugin: one callback and one second bound what it spends. */
  get fuelSpent(): number {
    return 0;
  }
  set fuelSpent(_units: number) {}
}
