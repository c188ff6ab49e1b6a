// A plugin on trial: it starts in the host that proxies have, and exchanges, connections and ticks go through that one
// instance, with the other ends given beforehand and everything that the guest does written down. Opens no socket.

import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import { mapPairs } from '../../http/pseudo-headers.ts';
import { type Timer, Timers } from '../../timers.ts';
import type { Node } from '../../workload.ts';
import { MetricType } from '../abi/abi.ts';
import type { Observer } from '../abi/observer.ts';
import type { Pair } from '../abi/pairs.ts';
import type { FuelBudget } from '../guest/fuel.ts';
import type { Plugin } from '../guest/plugin.ts';
import { WasmRuntime } from '../guest/runtime.ts';
import type { PluginSpec } from '../guest/spec.ts';
import { PluginRefused } from '../guest/traps.ts';
import { createSharedMemory } from '../shared/shared-memory.ts';
import { TrialConnection } from './trial-connection.ts';
import { TrialExchange, type TrialRequest, type TrialResponse } from './trial-exchange.ts';
import { TrialUpstreams } from './trial-upstreams.ts';

export interface TrialMessage {
  readonly headers: readonly Pair[];
  readonly body: Buffer;
  readonly trailers?: readonly Pair[];
}

/** What one exchange or connection came to. */
export interface Passed {
  /** As the filter left it. Null for a service. */
  readonly request: TrialMessage | null;
  /** What the client got; null when it got none. The status of a connection is 0. */
  readonly response: (TrialMessage & { readonly status: number }) | null;
  /** The filter's own answer. */
  readonly local: (TrialMessage & { readonly status: number }) | null;
  /** True when the exchange was still held at the end. */
  readonly held: boolean;
}

export interface TrialMetric {
  readonly name: string;
  readonly type: string;
  readonly value: bigint;
}

/** Nothing went through. */
export const NOTHING: Passed = { request: null, response: null, local: null, held: false };

const MOST_WAIT_MS = 3000;
const GRACE_MS = 50;
const MOST_NOTES = 1000;
const PAGE = 65_536;
const METRIC_TYPES = Object.keys(MetricType).map((name) => name.toLowerCase());

const NODE: Node = {
  id: 'sidecar~trial',
  role: 'sidecar',
  name: 'trial',
  workload: 'trial',
  namespace: 'default',
  serviceAccount: 'default',
  trustDomain: 'cluster.local',
  labels: {},
  address: '127.0.0.1',
  app: { address: '127.0.0.1', port: 8080 },
  services: [],
};

export class TrialSession {
  /** Why it did not start, in one line; null: it did. */
  readonly refusal: string | null;
  /** What the host itself had to say about the guest. */
  readonly notes: string[] = [];
  /** Services that the guest may call, by the name it calls them, and what each answers. */
  readonly upstreams: TrialUpstreams;
  /** Milliseconds since the epoch that the guest is told; null: the present. */
  clock: number | null = null;
  private readonly runtime: WasmRuntime;
  private readonly timers = new WatchedTimers();
  private readonly plugin: Plugin | null;
  private readonly first: { readonly memory: { readonly size: number } } | null;

  /** Starts it. Throws only when the host itself fails. */
  constructor(spec: PluginSpec, fuel: FuelBudget, observer: Observer, upstreams = new TrialUpstreams(new Map())) {
    this.upstreams = upstreams;
    this.runtime = new WasmRuntime({
      node: NODE,
      shared: createSharedMemory(1),
      shard: 0,
      timers: this.timers,
      fuel,
      upstreams,
      observer,
      now: () => this.clock ?? Date.now(),
      log: (level, _component, message) => {
        if (level !== 'debug' && this.notes.length < MOST_NOTES) this.notes.push(message);
      },
    });
    let plugin: Plugin | null = null;
    let refusal: string | null = null;
    try {
      plugin = this.runtime.configure(spec) as Plugin;
    } catch (error) {
      if (!(error instanceof PluginRefused)) throw error;
      refusal = error.message.replace(`plugin ${spec.name}: `, '');
    }
    this.plugin = plugin;
    this.refusal = refusal;
    // After a trap the machine has another instance, or none.
    this.first = plugin?.vm.instance ?? null;
  }

  get metrics(): TrialMetric[] {
    return this.runtime.metrics().map(({ name, type, value }) => ({ name, type: METRIC_TYPES[type], value }));
  }

  get memoryBytes(): number {
    return this.first?.memory.size ?? 0;
  }

  get memoryPages(): number {
    return this.memoryBytes / PAGE;
  }

  async exchange(request: TrialRequest, response: TrialResponse): Promise<Passed> {
    const { plugin } = this;
    if (plugin === null) return NOTHING;
    const exchange = new TrialExchange(plugin, request, response, this.timers);
    exchange.begin();
    await this.until(() => exchange.ended);
    const held = !exchange.ended;
    exchange.end();
    await turns();
    const { sent, local } = exchange;
    return {
      request: {
        headers: exchange.forwarded ?? mapPairs(exchange.requestHead, 'request'),
        body: Buffer.concat(exchange.forwardedBody),
        trailers: exchange.forwardedTrailers,
      },
      response:
        sent === null ? null : { ...sent, body: Buffer.concat(exchange.sentBody), trailers: exchange.sentTrailers },
      local: local === null ? null : { status: local.status, headers: local.fields, body: Buffer.from(local.body) },
      held,
    };
  }

  /** Only the bodies count: what client and upstream send. */
  async connection(request: TrialRequest, response: TrialResponse): Promise<Passed> {
    const { plugin } = this;
    if (plugin === null) return NOTHING;
    const record = new TrialExchange(plugin, request, response, this.timers);
    const connection = new TrialConnection(plugin, record);
    const settled = () => this.until(() => !connection.waits);
    connection.open();
    await settled();
    connection.give('downstream', request.body);
    await settled();
    connection.give('upstream', response.body);
    await settled();
    const held = connection.waits;
    connection.end();
    await turns();
    const { passed } = connection;
    return {
      request: { headers: [], body: Buffer.concat(passed.downstream) },
      response: { status: 0, headers: [], body: Buffer.concat(passed.upstream) },
      local: null,
      held,
    };
  }

  /** Its timer comes once, now. False: it has set none. */
  async tick(): Promise<boolean> {
    await turns();
    const { plugin } = this;
    if (plugin === null || plugin.tickPeriod === 0) return false;
    plugin.vm.callRoot(plugin, 'proxy_on_tick', 'tick');
    await turns();
    return true;
  }

  stop(): void {
    this.runtime.stop();
    this.timers.stop();
  }

  /** Waits while something that the guest has set up may still come: a wake-up, a delay, its next tick. */
  private async until(done: () => boolean): Promise<void> {
    const { plugin, timers } = this;
    const began = performance.now();
    for (;;) {
      await turns();
      if (done()) return;
      const period = plugin?.tickPeriod ?? 0;
      const tick = period > 0 ? began + period : 0;
      const last = Math.min(Math.max(timers.last, tick), began + MOST_WAIT_MS);
      if (performance.now() > last + GRACE_MS) return;
      await delay(5);
    }
  }
}

/** What was deferred to after the callback, and what that defers. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await immediate();
}

/** Knows when the last time-out is due. */
class WatchedTimers extends Timers {
  /** On performance.now's clock; 0: there was none. */
  last = 0;

  override arm(timer: Timer, ms: number): void {
    this.last = Math.max(this.last, performance.now() + ms + 2 * this.tickMs);
    super.arm(timer, ms);
  }
}
