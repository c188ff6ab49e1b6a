// Tries a plugin out: one exchange, connection or start through the host and the chain that proxies have, with the other
// ends given beforehand and everything that the guest does written down. Needs no mesh and opens no socket.

import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import { type Timer, Timers } from '../timers.ts';
import type { Node } from '../workload.ts';
import { MetricType } from './abi.ts';
import type { FuelBudget } from './fuel.ts';
import { mapPairs } from './header-map.ts';
import type { Pair } from './pairs.ts';
import type { Plugin } from './plugin.ts';
import { type RecordedAction, type RecordedCall, type RecordedLog, Recording } from './recording.ts';
import { WasmRuntime } from './runtime.ts';
import { createSharedMemory } from './shared-memory.ts';
import type { PluginSpec } from './spec.ts';
import { PluginRefused } from './traps.ts';
import { TrialConnection } from './trial-connection.ts';
import { TrialExchange, type TrialRequest, type TrialResponse } from './trial-exchange.ts';
import { TrialUpstreams } from './trial-upstreams.ts';

export type PluginKind = 'http' | 'network' | 'service';

export interface TrialInput {
  readonly spec: PluginSpec;
  readonly kind: PluginKind;
  /** Of a connection only the bodies count: what client and upstream send. */
  readonly request: TrialRequest;
  readonly response: TrialResponse;
  /** Properties that are answered by these bytes, by path with dots. */
  readonly properties: ReadonlyMap<string, Uint8Array>;
  /** Services that the guest may call, by the name it calls them, and what each answers. */
  readonly upstreams: ReadonlyMap<string, TrialResponse>;
  readonly fuel: FuelBudget;
}

export interface TrialMessage {
  readonly headers: readonly Pair[];
  readonly body: Buffer;
}

export interface TrialOutcome {
  /** Why it did not start, in one line; null: it did. */
  readonly refusal: string | null;
  /** Callback and reason; null: it did not trap. */
  readonly trap: string | null;
  readonly actions: readonly RecordedAction[];
  /** As the filter left it. Null for a service. */
  readonly request: TrialMessage | null;
  /** What the client got; null when it got none. The status of a connection is 0. */
  readonly response: (TrialMessage & { readonly status: number }) | null;
  /** The filter's own answer. */
  readonly local: (TrialMessage & { readonly status: number }) | null;
  readonly logs: readonly RecordedLog[];
  /** What the host itself had to say about the guest. */
  readonly notes: readonly string[];
  readonly metrics: readonly { readonly name: string; readonly type: string; readonly value: bigint }[];
  readonly calls: readonly RecordedCall[];
  readonly properties: readonly string[];
  /** True when the exchange was still held at the end. */
  readonly held: boolean;
  readonly memoryPages: number;
}

const MOST_WAIT_MS = 3000;
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

/** Rejects only when the host itself fails. */
export async function tryPlugin(input: TrialInput): Promise<TrialOutcome> {
  const recording = new Recording(input.properties);
  const timers = new WatchedTimers();
  const notes: string[] = [];
  const runtime = new WasmRuntime({
    node: NODE,
    shared: createSharedMemory(1),
    shard: 0,
    timers,
    fuel: input.fuel,
    upstreams: new TrialUpstreams(input.upstreams),
    observer: recording,
    log: (level, _component, message) => {
      if (level !== 'debug') notes.push(message);
    },
  });
  try {
    return await run(input, runtime, recording, timers, notes);
  } finally {
    runtime.stop();
    timers.stop();
  }
}

async function run(
  input: TrialInput,
  runtime: WasmRuntime,
  recording: Recording,
  timers: WatchedTimers,
  notes: readonly string[],
): Promise<TrialOutcome> {
  let plugin: Plugin | null = null;
  let refusal: string | null = null;
  try {
    plugin = runtime.configure(input.spec) as Plugin;
  } catch (error) {
    if (!(error instanceof PluginRefused)) throw error;
    refusal = error.message.replace(`plugin ${input.spec.name}: `, '');
  }
  // After a trap the machine has another instance, or none.
  const instance = plugin?.vm.instance ?? null;
  let passed: Passed = { request: null, response: null, local: null, held: false };
  if (plugin !== null) {
    if (input.kind === 'http') passed = await throughExchange(input, plugin, timers);
    else if (input.kind === 'network') passed = await throughConnection(input, plugin, timers);
    else await asService(plugin);
  }
  const said = new Set(recording.logs.map(({ message }) => `${input.spec.name}: ${message}`));
  return {
    refusal,
    trap: recording.trap,
    actions: recording.actions,
    ...passed,
    logs: recording.logs,
    notes: notes.filter((note) => !said.has(note) && !note.includes(': trapped in ')),
    metrics: runtime.metrics().map(({ name, type, value }) => ({ name, type: METRIC_TYPES[type], value })),
    calls: recording.calls,
    properties: [...recording.asked],
    memoryPages: (instance?.memory.size ?? 0) / PAGE,
  };
}

type Passed = Pick<TrialOutcome, 'request' | 'response' | 'local' | 'held'>;

async function throughExchange(input: TrialInput, plugin: Plugin, timers: WatchedTimers): Promise<Passed> {
  const exchange = new TrialExchange(plugin, input.request, input.response, timers);
  exchange.begin();
  await until(() => exchange.ended, plugin, timers);
  const held = !exchange.ended;
  exchange.end();
  await turns();
  const { sent, local } = exchange;
  return {
    request: {
      headers: exchange.forwarded ?? mapPairs(exchange.requestHead, 'request'),
      body: Buffer.concat(exchange.forwardedBody),
    },
    response: sent === null ? null : { ...sent, body: Buffer.concat(exchange.sentBody) },
    local: local === null ? null : { status: local.status, headers: local.fields, body: Buffer.from(local.body) },
    held,
  };
}

async function throughConnection(input: TrialInput, plugin: Plugin, timers: WatchedTimers): Promise<Passed> {
  const record = new TrialExchange(plugin, input.request, input.response, timers);
  const connection = new TrialConnection(plugin, record);
  connection.open();
  await until(() => !connection.waits, plugin, timers);
  connection.give('downstream', input.request.body);
  await until(() => !connection.waits, plugin, timers);
  connection.give('upstream', input.response.body);
  await until(() => !connection.waits, plugin, timers);
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

/** A service lives by its timer: it comes once. */
async function asService(plugin: Plugin): Promise<void> {
  await turns();
  if (plugin.tickPeriod > 0) plugin.vm.callRoot(plugin, 'proxy_on_tick', 'tick');
  await turns();
}

/** Waits while something that the guest has set up may still come: a wake-up, a delay, its next tick. */
async function until(done: () => boolean, plugin: Plugin, timers: WatchedTimers): Promise<void> {
  const began = performance.now();
  for (;;) {
    await turns();
    if (done()) return;
    const tick = plugin.tickPeriod > 0 ? began + plugin.tickPeriod : 0;
    const last = Math.min(Math.max(timers.last, tick), began + MOST_WAIT_MS);
    if (performance.now() > last + GRACE_MS) return;
    await delay(5);
  }
}

const GRACE_MS = 50;

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
