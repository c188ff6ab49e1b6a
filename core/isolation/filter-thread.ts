// The Piscina task that is one thread for slow filters: the same host as in a shard, but its streams are copies that shards
// send and get back changed. It serves every shard over a channel of its own, and never settles while it serves.

import type { FilterFactory } from '../exchange/filter.ts';
import { HEARTBEAT_MS, Pulse } from '../threads/pulse.ts';
import { Timers } from '../timers.ts';
import type { FuelBudget } from '../wasm/guest/fuel.ts';
import { WasmRuntime } from '../wasm/guest/runtime.ts';
import { configKey, type PluginSpec } from '../wasm/guest/spec.ts';
import { PluginRefused } from '../wasm/guest/traps.ts';
import type { FilterThreadNews, FilterThreadOrder, FilterThreadStart, ThreadStatus } from './messages.ts';
import { type Host, type Resident, ShardLink } from './shard-link.ts';

/** The deadline of the thread bounds what a plugin may spend here: fuel is what its limits name, and no more. */
const FUEL: FuelBudget = {
  start: 0x7fffffff,
  callback: 0x7fffffff,
  stream: Number.MAX_SAFE_INTEGER,
  second: Number.MAX_SAFE_INTEGER,
};

const REPORT_MS = 1_000;

export default function filterThread(start: FilterThreadStart): Promise<void> {
  return new Promise((resolve) => {
    new FilterThread(start, resolve);
  });
}

class FilterThread implements Host {
  readonly busy: Pulse;
  readonly timers = new Timers();
  readonly links = new Set<ShardLink>();
  /** The channel whose message is being handled. */
  current: ShardLink | null = null;
  barred: ReadonlySet<string>;
  private readonly start: FilterThreadStart;
  private readonly runtime: WasmRuntime;
  private readonly residents = new Map<string, Resident>();
  /** Whom plugins may call, by the spec that they were configured with. */
  private readonly allowed = new WeakMap<object, readonly string[] | null>();
  private lastNumber = 0;

  constructor(start: FilterThreadStart, ended: () => void) {
    const { port, node, shared, slot, logLevel, pulse, index } = start;
    this.start = start;
    this.busy = new Pulse(pulse, index);
    this.barred = new Set(start.barred);
    this.runtime = new WasmRuntime({
      node,
      shared,
      shard: slot,
      timers: this.timers,
      logLevel,
      fuel: FUEL,
      log: (level, component, message) => this.tell({ type: 'log', level, component, message }),
      restarted: (plugin, reason) => this.tell({ type: 'plugin-restarted', plugin, reason }),
      upstreams: {
        find: (name, by) => ({
          service: name,
          call: (request, done) => {
            const link = this.current ?? this.links.values().next().value;
            const allowed = this.allowed.get(by);
            if (link !== undefined) return link.call(name, allowed === undefined ? [] : allowed, request, done);
            setImmediate(() => done({ failure: 'no shard is there to send it' }));
            return () => undefined;
          },
        }),
      },
    });
    const heart = setInterval(() => this.busy.beat(), HEARTBEAT_MS);
    const reports = setInterval(() => {
      for (const link of this.links) link.report();
    }, REPORT_MS);
    port.on('message', (order: FilterThreadOrder) => {
      if (order.type === 'shard') this.links.add(new ShardLink(this, order.port));
      else if (order.type === 'barred') this.barred = new Set(order.plugins);
      else this.runtime.logLevel = order.level;
    });
    port.on('close', () => {
      clearInterval(heart);
      clearInterval(reports);
      this.runtime.stop();
      this.timers.stop();
      for (const link of this.links) link.close();
      ended();
    });
    this.tell({ type: 'ready' });
  }

  /** The plugin of this spec, which all shards share. */
  admit(spec: PluginSpec): Resident {
    const key = configKey(spec);
    const known = this.residents.get(key);
    if (known !== undefined) {
      known.shards++;
      return known;
    }
    const number = ++this.lastNumber;
    this.tell({ type: 'plugin', number, name: spec.name });
    this.busy.begin(number);
    const resident: Resident = { number, spec, filter: this.configure(spec), shards: 1 };
    this.busy.end();
    this.residents.set(key, resident);
    return resident;
  }

  leave(resident: Resident): void {
    if (--resident.shards > 0) return;
    this.residents.delete(configKey(resident.spec));
    if (resident.filter !== null) this.runtime.retire(resident.filter);
  }

  status({ spec, filter }: Resident): ThreadStatus {
    const status = filter === null ? null : this.runtime.status(filter);
    return {
      running: status?.running ?? false,
      broken: this.barred.has(spec.name) || (status?.broken ?? false),
      restarts: status?.restarts ?? 0,
      memoryBytes: status?.memoryBytes ?? 0,
      calls: status?.calls ?? 0,
      meanMicros: status?.meanMicros ?? null,
      medianMicros: status?.medianMicros ?? null,
    };
  }

  private configure(spec: PluginSpec): FilterFactory | null {
    // Whom it may call is judged by the shard, which knows the services.
    const here: PluginSpec = { ...spec, mayCall: null };
    this.allowed.set(here, spec.mayCall);
    try {
      return this.runtime.configure(here);
    } catch (error) {
      if (!(error instanceof PluginRefused)) throw error;
      this.tell({ type: 'log', level: 'error', component: 'wasm', message: error.message });
      return null;
    }
  }

  private tell(news: FilterThreadNews): void {
    this.start.port.postMessage(news);
  }
}
