// Metrics that filters define: counters, gauges and histograms by name, the same for all shards of a proxy; the same name is
// the same metric. Values are written without a lock and never lost: counters and histograms have slots for each shard
// index, which outlive the shard and are summed by who reads; a gauge is one slot for all, as in Envoy: what was recorded
// last counts, and what is added is added to that. Bounded: names are a filter's to make up, and tag values hide in them.
//
//   arena: word 4 metrics | 5 slots in use | table: MAX_METRICS words, the offset of each metric's block
//     block: next | class | type | first slot | pluginLength | nameLength | plugin name
//   then, 64 bits each, SLOTS for the gauges and SLOTS for each shard index
//     a histogram's slots: one for each bucket (not cumulative), one for what is above them, the sum

import { MetricType, Status } from '../abi/abi.ts';
import { createArena, SharedArena, TABLE } from './shared-arena.ts';

const METRICS = 4;
const SLOTS_USED = 5;
const MAX_METRICS = 2000;
const MAX_OF_PLUGIN = 500;
const MAX_NAME = 1024;
const SLOTS = 8192;

const BLOCK_BYTES = 24;
const TYPE = 2;
const SLOT = 3;
const PLUGIN_LENGTH = 4;
const NAME_LENGTH = 5;

/** Envoy's, upper bounds. */
export const METRIC_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];
const HISTOGRAM_SLOTS = METRIC_BUCKETS.length + 2;

/** Who defines the proxy's own figures: no plugin has this name. */
export const HOST = '';

/** Who defines the figures of one of our filters, whose names are whole series as well: no plugin has such a name. */
export function builtinOwner(name: string): string {
  return `\0${name}`;
}

function isOurs(plugin: string): boolean {
  return plugin === HOST || plugin.startsWith('\0');
}

/** The id of a metric that there is no room for: it takes what it is given, and nobody reads it. */
export const NO_METRIC = 0xffffffff;

export interface MetricsMemory {
  readonly names: SharedArrayBuffer;
  readonly values: SharedArrayBuffer;
}

/** Memory for the metrics of one proxy; made by the main thread, handed to every shard. */
export function createMetrics(shards: number): MetricsMemory {
  return {
    names: createArena(512 * 1024, MAX_METRICS),
    values: new SharedArrayBuffer((1 + shards) * SLOTS * BigInt64Array.BYTES_PER_ELEMENT),
  };
}

export interface Metric {
  readonly name: string;
  /** Defined by the proxy itself: the name is a whole series, with its labels. */
  readonly ours: boolean;
  /** abi.ts MetricType. */
  readonly type: number;
  /** Of a histogram: the sum of what was recorded. */
  readonly value: bigint;
  /** Of a histogram, not cumulative: one for each of METRIC_BUCKETS, and one for what is above. Else empty. */
  readonly buckets: readonly bigint[];
}

interface Known {
  readonly name: string;
  readonly ours: boolean;
  readonly type: number;
  readonly slot: number;
}

export class Metrics {
  private readonly arena: SharedArena;
  private readonly values: BigInt64Array;
  /** The same, in halves. */
  private readonly halves: Int32Array;
  /** First slot of this shard. */
  private readonly own: number;
  private readonly known: Known[] = [];
  private readonly ids = new Map<string, number>();
  private readonly counts = new Map<string, number>();

  /** `shard`: whose slots are written; a reader gives any. */
  constructor(memory: MetricsMemory, shard: number) {
    this.arena = new SharedArena(memory.names, shard);
    this.values = new BigInt64Array(memory.values);
    this.halves = new Int32Array(memory.values);
    this.own = (1 + shard) * SLOTS;
  }

  /** Id of the metric, from 1 on; NO_METRIC when there are too many, of this plugin or of all. */
  define(type: number, name: string, plugin: string): number {
    const ours = isOurs(plugin);
    const id = this.idOf(type, name, ours);
    if (id !== 0) return id;
    if (name.length > MAX_NAME || !this.arena.lock()) return NO_METRIC;
    this.learn();
    const made = this.idOf(type, name, ours) || this.make(type, name, plugin);
    this.arena.unlock();
    return made;
  }

  increment(id: number, delta: bigint): number {
    if (id === NO_METRIC) return Status.Ok;
    const metric = this.at(id);
    if (metric === undefined) return Status.NotFound;
    if (metric.type === MetricType.Histogram) return Status.BadArgument;
    if (metric.type === MetricType.Counter && delta <= 0n) return Status.BadArgument;
    Atomics.add(this.values, metric.type === MetricType.Gauge ? metric.slot : this.own + metric.slot, delta);
    return Status.Ok;
  }

  /** One more of a counter, without making a number of 64 bits: this shard alone writes its slots. */
  count(id: number): void {
    const metric = id === NO_METRIC ? undefined : this.at(id);
    if (metric === undefined) return;
    const low = (this.own + metric.slot) * 2;
    if (Atomics.add(this.halves, low, 1) === -1) Atomics.add(this.halves, low + 1, 1);
  }

  /** A counter adds what is recorded, as Envoy's does. */
  record(id: number, value: bigint): number {
    if (id === NO_METRIC) return Status.Ok;
    const metric = this.at(id);
    if (metric === undefined) return Status.NotFound;
    const { values } = this;
    const slot = this.own + metric.slot;
    if (metric.type === MetricType.Gauge) Atomics.store(values, metric.slot, value);
    else if (metric.type === MetricType.Counter) Atomics.add(values, slot, value);
    else {
      const of = Number(BigInt.asUintN(64, value));
      let bucket = 0;
      while (bucket < METRIC_BUCKETS.length && of > METRIC_BUCKETS[bucket]) bucket++;
      Atomics.add(values, slot + bucket, 1n);
      Atomics.add(values, slot + METRIC_BUCKETS.length + 1, value);
    }
    return Status.Ok;
  }

  /** The value of a counter or gauge, of all shards; or a status: NotFound, BadArgument (a histogram). */
  get(id: number): bigint | number {
    if (id === NO_METRIC) return 0n;
    const metric = this.at(id);
    if (metric === undefined) return Status.NotFound;
    return metric.type === MetricType.Histogram ? Status.BadArgument : this.valueOf(metric);
  }

  /** Every metric, in the order of definition. */
  all(): readonly Metric[] {
    this.learn();
    return this.known.map((known) => {
      const { name, ours, type, slot } = known;
      if (type !== MetricType.Histogram) return { name, ours, type, value: this.valueOf(known), buckets: [] };
      const slots = Array.from({ length: HISTOGRAM_SLOTS }, (_, i) => this.sum(slot + i));
      return { name, ours, type, value: slots[HISTOGRAM_SLOTS - 1], buckets: slots.slice(0, -1) };
    });
  }

  private valueOf({ type, slot }: Known): bigint {
    return type === MetricType.Gauge ? Atomics.load(this.values, slot) : this.sum(slot);
  }

  private sum(slot: number): bigint {
    let sum = 0n;
    for (let at = SLOTS + slot; at < this.values.length; at += SLOTS) sum += Atomics.load(this.values, at);
    return BigInt.asUintN(64, sum);
  }

  private at(id: number): Known | undefined {
    if (id > this.known.length && id <= this.arena.words[METRICS]) this.learn();
    return this.known[id - 1];
  }

  private idOf(type: number, name: string, ours: boolean): number {
    return this.ids.get(keyOf(type, name, ours)) ?? 0;
  }

  /** What other shards have defined meanwhile. What is published never changes, so that no lock is needed. */
  private learn(): void {
    const { words, bytes } = this.arena;
    const count = Atomics.load(words, METRICS);
    for (let index = this.known.length; index < count; index++) {
      const offset = words[TABLE + index];
      const block = offset >> 2;
      const from = offset + BLOCK_BYTES;
      const middle = from + words[block + PLUGIN_LENGTH];
      // Copied: text is not decoded where others write.
      const plugin = Buffer.from(bytes.slice(from, middle)).toString();
      const name = Buffer.from(bytes.slice(middle, middle + words[block + NAME_LENGTH])).toString();
      const type = words[block + TYPE];
      const ours = isOurs(plugin);
      this.known.push({ name, ours, type, slot: words[block + SLOT] });
      this.ids.set(keyOf(type, name, ours), index + 1);
      this.counts.set(plugin, (this.counts.get(plugin) ?? 0) + 1);
    }
  }

  private make(type: number, name: string, plugin: string): number {
    const { words, bytes } = this.arena;
    const width = type === MetricType.Histogram ? HISTOGRAM_SLOTS : 1;
    const index = words[METRICS];
    if (index >= MAX_METRICS || (this.counts.get(plugin) ?? 0) >= MAX_OF_PLUGIN) return NO_METRIC;
    if (words[SLOTS_USED] + width > SLOTS) return NO_METRIC;
    const owner = Buffer.from(plugin);
    const text = Buffer.from(name);
    const offset = this.arena.allocate(BLOCK_BYTES + owner.length + text.length);
    if (offset === 0) return NO_METRIC;
    const block = offset >> 2;
    words[block + TYPE] = type;
    words[block + SLOT] = words[SLOTS_USED];
    words[SLOTS_USED] += width;
    words[block + PLUGIN_LENGTH] = owner.length;
    words[block + NAME_LENGTH] = text.length;
    bytes.set(owner, offset + BLOCK_BYTES);
    bytes.set(text, offset + BLOCK_BYTES + owner.length);
    words[TABLE + index] = offset;
    Atomics.store(words, METRICS, index + 1);
    this.learn();
    return index + 1;
  }
}

/** A plugin that gives its metric the name of one of ours has one of its own. */
function keyOf(type: number, name: string, ours: boolean): string {
  return `${type}${ours ? '!' : ' '}${name}`;
}
