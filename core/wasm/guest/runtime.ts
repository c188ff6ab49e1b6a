// The filters' runtime of one shard: from a plugin's description to the FilterFactory that a snapshot holds.
// A changed configuration of the same code becomes a new root in the instance that runs already.

import { createHash, webcrypto } from 'node:crypto';
import type { FilterFactory, ServicePlugin } from '../../exchange/filter.ts';
import type { LogLevel } from '../../shard/protocol.ts';
import type { NetworkFilterFactory } from '../../tcp/network-filter.ts';
import { Timers } from '../../timers.ts';
import type { Node } from '../../workload.ts';
import { GuestLog } from '../abi/abi.ts';
import type { ForeignFunctions } from '../abi/foreign.ts';
import type { Observer } from '../abi/observer.ts';
import type { Upstreams } from '../abi/upstreams.ts';
import { vmScope } from '../abi/vm-scope.ts';
import { type Metric, Metrics } from '../shared/metrics.ts';
import { Queues } from '../shared/queues.ts';
import { SharedData } from '../shared/shared-data.ts';
import type { SharedMemory } from '../shared/shared-memory.ts';
import { DEFAULT_FUEL, type FuelBudget } from './fuel.ts';
import type { GuestHost } from './host.ts';
import { checkModule } from './module.ts';
import { Plugin } from './plugin.ts';
import type { PluginSpec } from './spec.ts';
import { PluginRefused, type RestartReason } from './traps.ts';
import { Vm } from './vm.ts';

export interface RuntimeOptions {
  readonly node: Node;
  /** The same for all shards. */
  readonly shared: SharedMemory;
  readonly shard: number;
  /** The shard's time-outs; without them the runtime makes its own when a filter first asks to be woken. */
  readonly timers?: Timers;
  readonly logLevel?: LogLevel;
  log(level: LogLevel, component: string, message: string): void;
  /** Fills the bytes that a guest asks for at random; tests inject their own. */
  readonly random?: (bytes: Uint8Array) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly fuel?: FuelBudget;
  /** A plugin's guest died and has been replaced. */
  readonly restarted?: (plugin: string, reason: RestartReason) => void;
  /** Whom guests may call; nobody without it. */
  readonly upstreams?: Upstreams;
  /** What built-in filters may call by name beside what all guests may. */
  readonly foreign?: ForeignFunctions;
  /** Watches all guests, down to their trace messages. */
  readonly observer?: Observer;
  /** Only tries plugins out: what they ask of others is not done. */
  readonly trial?: boolean;
  /** False: every guest is called as every host would, also where it was built for less. */
  readonly frames?: boolean;
}

/** One plugin with one configuration in one shard, as `mesh proxy-config filters` shows it. */
export interface PluginStatus {
  readonly name: string;
  readonly digest: string;
  /** The beginning of its configuration's SHA-256; '' without one. */
  readonly configuration: string;
  readonly running: boolean;
  /** It crashed again and again: tried only once a minute until it lives. */
  readonly broken: boolean;
  readonly streams: number;
  readonly restarts: number;
  readonly memoryBytes: number;
  /** Callbacks so far. */
  readonly calls: number;
  /** Microseconds per callback, sampled; null: none was timed yet. */
  readonly meanMicros: number | null;
  readonly medianMicros: number | null;
}

const THRESHOLDS: Readonly<Record<LogLevel, number>> = {
  debug: GuestLog.Debug,
  info: GuestLog.Info,
  warning: GuestLog.Warn,
  error: GuestLog.Error,
};

export class WasmRuntime {
  private readonly host: GuestHost;
  private readonly vms = new Map<string, Vm>();
  private ownTimers: Timers | null = null;
  private readonly checked = new WeakSet<WebAssembly.Module>();

  constructor(options: RuntimeOptions) {
    let { timers } = options;
    let wheelStart = 0;
    this.host = {
      node: options.node,
      timers: () => {
        timers ??= this.ownTimers = new Timers();
        return timers;
      },
      shared: new SharedData(options.shared.data, options.shard),
      queues: new Queues(options.shared.queues, options.shard),
      metrics: new Metrics(options.shared.metrics, options.shard),
      trial: options.trial ?? false,
      foreign: options.foreign ?? new Map(),
      upstreams: options.upstreams ?? { find: () => null },
      fuel: options.fuel ?? DEFAULT_FUEL,
      second: () => Math.floor((this.host.timers().tick * this.host.timers().tickMs) / 1000),
      coarse: () => {
        const wheel = this.host.timers();
        // The wheels of shards begin when they do; the machine's own clock tells by how much they are apart.
        if (wheelStart === 0) wheelStart = monotonicMs() - wheel.age();
        return wheelStart + wheel.tick * wheel.tickMs;
      },
      restarted: options.restarted ?? (() => undefined),
      observer: options.observer ?? null,
      frames: options.frames ?? true,
      logThreshold: options.observer === undefined ? THRESHOLDS[options.logLevel ?? 'info'] : GuestLog.Trace,
      log: (level, plugin, message) => options.log(level, 'wasm', `${plugin}: ${message}`),
      random: options.random ?? ((bytes) => void webcrypto.getRandomValues(bytes)),
      now: options.now ?? Date.now,
    };
  }

  set logLevel(level: LogLevel) {
    this.host.logThreshold = THRESHOLDS[level];
  }

  /** A filter of this plugin. Throws PluginRefused, whose message is the reason in one line, and then changes nothing. */
  configure(spec: PluginSpec): FilterFactory {
    return this.add(spec);
  }

  /** A plugin in front of a listener's codec. Throws as `configure`. */
  configureNetwork(spec: PluginSpec): NetworkFilterFactory {
    return this.add(spec);
  }

  /**
   * A plugin that sees no traffic: it lives by its timer, its queues and its calls, one root on each shard, until it is
   * retired. Throws as `configure`.
   */
  startService(spec: PluginSpec): ServicePlugin {
    return this.add(spec);
  }

  private add(spec: PluginSpec): Plugin {
    try {
      if (!this.checked.has(spec.module)) checkModule(spec.module);
      this.checked.add(spec.module);
      const key = keyOf(spec);
      const running = this.vms.get(key);
      if (running !== undefined) return running.add(spec);
      const vm: Vm = new Vm(spec, this.host, () => {
        if (this.vms.get(key) === vm) this.vms.delete(key);
      });
      const plugin = vm.add(spec);
      this.vms.set(key, vm);
      return plugin;
    } catch (error) {
      if (error instanceof PluginRefused) throw new PluginRefused(`plugin ${spec.name}: ${error.message}`);
      throw error;
    }
  }

  /** No snapshot refers to it any more: it is freed when its last stream has ended. */
  retire(plugin: FilterFactory | NetworkFilterFactory | ServicePlugin): void {
    if (!(plugin instanceof Plugin) || plugin.retired) return;
    plugin.retired = true;
    if (plugin.streams === 0) plugin.vm.remove(plugin);
  }

  /** Null: it is none of this runtime's. */
  status(plugin: object): PluginStatus | null {
    if (!(plugin instanceof Plugin)) return null;
    const { vm, spec, times } = plugin;
    return {
      name: plugin.name,
      digest: spec.digest,
      configuration: fingerprint(spec.configuration),
      running: vm.instance !== null && plugin.contextId !== 0,
      broken: vm.broken,
      streams: plugin.streams,
      restarts: vm.restarts,
      memoryBytes: vm.instance?.memory.size ?? 0,
      calls: times.calls,
      meanMicros: times.mean,
      medianMicros: times.median,
    };
  }

  dump(): PluginStatus[] {
    return [...this.vms.values()].flatMap((vm) => [...vm.plugins].flatMap((plugin) => this.status(plugin) ?? []));
  }

  /** What filters count, by the names they gave. */
  metrics(): readonly Metric[] {
    return this.host.metrics.all();
  }

  /** Drops every instance. Streams that are still open end without them. */
  stop(): void {
    for (const vm of this.vms.values()) vm.stop();
    this.host.queues.stop();
    this.vms.clear();
    this.ownTimers?.stop();
  }
}

/** The same for all threads, and unaware of who sets the time of day. */
function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

export function fingerprint(configuration: Uint8Array): string {
  if (configuration.length === 0) return '';
  return createHash('sha256').update(configuration).digest('hex').slice(0, 12);
}

/** Equal keys share an instance, as Envoy's virtual machines do. */
function keyOf(spec: PluginSpec): string {
  const { name, vmId, digest, vmConfiguration, env, limits } = spec;
  return JSON.stringify([vmScope(name, vmId), digest, Buffer.from(vmConfiguration).toString('latin1'), env, limits]);
}
