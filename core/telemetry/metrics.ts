// Istio's standard metrics of a shard: every exchange is added to the slots of its label set. A label set is found through
// maps keyed by what does not change between requests, so that counting makes no string.

import { ATTRIBUTES } from '../attributes.ts';
import { FLAGS } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { isGrpc } from '../http/grpc-status.ts';
import type { Series } from '../shard/protocol.ts';
import type { Workload } from '../workload.ts';
import { httpLabels, labelValue, OTHER, PASSTHROUGH, tcpLabels, UNKNOWN } from './labels.ts';
import { type MetricsView, sideOf, type TelemetryPlan } from './plan.ts';
import type { RecordSink } from './record-sink.ts';
import {
  activityOf,
  CLOSED,
  DURATION,
  FIRST_SLOT,
  HTTP_LABELS,
  HTTP_SERIES,
  isSeries,
  MAX_SETS,
  OPENED,
  observe,
  RECEIVED_BYTES,
  REQUEST_BYTES,
  REQUEST_MESSAGES,
  REQUESTS,
  RESPONSE_BYTES,
  RESPONSE_MESSAGES,
  SENT_BYTES,
  SLOTS_PER_SET,
  TCP_SERIES,
} from './statistics.ts';

export interface MetricsOptions {
  /** STATISTICS_BYTES long. */
  readonly statistics: SharedArrayBuffer;
  /** This proxy's workload: the source of what a gateway sends. */
  readonly node: Workload;
  /** Tells of a label set that counts from now on. */
  announce(series: Series): void;
  /** Tells that a label set counts no more; its slots are used again after the next sweep. */
  retire(slot: number): void;
  /** The table is full for the first time: what is new from now on counts as 'other'. */
  overflowed(): void;
  /** What was announced for these statistics before. */
  readonly known: readonly Series[];
}

/** Label sets of sources that nothing proves, who could invent any number of them. */
const MAX_UNPROVEN = MAX_SETS / 4;
/** Label sets that a Telemetry resource chose: what is in requests may make up any number of them. */
const MAX_CHOSEN = MAX_SETS / 2;
/** Ways to label sets that are remembered; workloads are new objects after every change of the registry. */
const MAX_REMEMBERED = 8192;
/** The last place of the table. */
const OVERFLOW_SLOT = FIRST_SLOT + SLOTS_PER_SET * (MAX_SETS - 1);
const REPORTER = HTTP_LABELS.indexOf('reporter');
const SOURCE = HTTP_LABELS.indexOf('source_workload');
const SOURCE_PRINCIPAL = HTTP_LABELS.indexOf('source_principal');
/** More than any set of flags is as a number. */
const FLAG_SETS = 2 ** (1 + Math.max(...FLAGS.map(([, , bit]) => bit)));

/** A label set that has slots. */
interface Counted {
  readonly slot: number;
  readonly origin: Origin;
  /** As the last sweep that saw it change found it. */
  activity: number;
  changedAt: number;
}

/** Whose limit a label set counts against. */
type Origin = 'proven' | 'unproven' | 'chosen';

/** Where the exchanges that are alike in this are counted. */
interface Way {
  /** The standard ones. */
  readonly labels: readonly string[];
  /** -1 until something is counted there. */
  slot: number;
  /** Where views count them, by the values that their expressions come to. */
  chosen: Map<MetricsView, Map<string, number>> | null;
}

/** By destination, service, outcome and source. */
type Ways = Map<Workload | null, Map<string, Map<number, Map<Workload | null, Way>>>>;

export class Metrics implements RecordSink {
  private readonly options: MetricsOptions;
  private readonly slots: Float64Array;
  /** By the values of their labels. */
  private readonly sets = new Map<string, Counted>();
  private readonly free: number[] = [];
  /** Given up at the last sweep; the main thread has heard of it by the next. */
  private resting: number[] = [];
  private readonly ways: { readonly [D in ExchangeRecord['direction']]: Ways } = {
    inbound: new Map(),
    outbound: new Map(),
    gateway: new Map(),
  };
  /** Of inbound exchanges over mutual TLS. */
  private readonly secured: Ways = new Map();
  private remembered = 0;
  private readonly counts = { proven: 0, unproven: 0, chosen: 0 };
  private next = FIRST_SLOT;
  private overflowing = false;

  constructor(options: MetricsOptions) {
    this.options = options;
    this.slots = new Float64Array(options.statistics);
    const taken = new Set<number>();
    for (const series of options.known) {
      if (!isSeries(series)) continue;
      const { slot } = series;
      if (slot === OVERFLOW_SLOT) {
        this.overflowing = true;
        continue;
      }
      taken.add(slot);
      this.add(series, performance.now());
      this.next = Math.max(this.next, slot + SLOTS_PER_SET);
    }
    // What a predecessor had given up.
    for (let slot = FIRST_SLOT; slot < this.next; slot += SLOTS_PER_SET) if (!taken.has(slot)) this.release(slot);
  }

  exchangeEnded(record: ExchangeRecord, plan: TelemetryPlan | null = null): void {
    // What comes out of a tunnel is counted by itself.
    if (record.responseCodeDetails === 'tunnel') return;
    const way = this.find(record);
    const views = plan === null ? null : sideOf(plan, record).metrics;
    if (views === null) {
      if (way.slot < 0) way.slot = this.intern(way.labels);
      this.count(record, way.slot);
    } else for (const view of views) this.count(record, this.findIn(view, way, record));
  }

  connectionOpened(record: ExchangeRecord, plan: TelemetryPlan | null = null): void {
    this.countConnection(record, plan, OPENED, 1);
  }

  connectionMoved(record: ExchangeRecord, received: number, sent: number, plan: TelemetryPlan | null = null): void {
    this.countConnection(record, plan, RECEIVED_BYTES, received);
    this.countConnection(record, plan, SENT_BYTES, sent);
  }

  connectionEnded(record: ExchangeRecord, plan: TelemetryPlan | null = null): void {
    this.countConnection(record, plan, CLOSED, 1);
  }

  /** Labels are made anew each time: a connection is counted a few times in its life. */
  private countConnection(record: ExchangeRecord, plan: TelemetryPlan | null, offset: number, by: number): void {
    if (plan !== null && sideOf(plan, record).metrics?.length === 0) return;
    const source = record.direction === 'gateway' ? this.options.node : record.source;
    const labels = tcpLabels(
      record,
      source,
      record.clusterName === PASSTHROUGH ? PASSTHROUGH : record.destinationService,
    );
    const at = this.intern(labels, undefined, TCP_SERIES);
    // What has no place any more is counted nowhere: the last place is one of requests.
    if (at !== OVERFLOW_SLOT) this.slots[at + offset] += by;
  }

  /** All of it, though a view may show less: the slots are there. */
  private count(record: ExchangeRecord, at: number): void {
    const { slots } = this;
    slots[at + REQUESTS] += 1;
    observe(slots, at + DURATION, record.durationMs);
    observe(slots, at + REQUEST_BYTES, record.bytesReceived);
    observe(slots, at + RESPONSE_BYTES, record.bytesSent);
    const { messages } = record;
    if (messages === null) return;
    slots[at + REQUEST_MESSAGES] += messages.received.count;
    slots[at + RESPONSE_MESSAGES] += messages.sent.count;
  }

  /** Gives up label sets that counted nothing for `idleMs`. `now` in ms, by any clock that is always the same. */
  sweep(now: number, idleMs: number): void {
    for (const slot of this.resting) this.release(slot);
    this.resting = [];
    for (const [key, counted] of this.sets) {
      const activity = activityOf(this.slots, counted.slot);
      if (activity !== counted.activity) {
        counted.activity = activity;
        counted.changedAt = now;
      } else if (now - counted.changedAt >= idleMs) {
        this.sets.delete(key);
        this.counts[counted.origin]--;
        this.resting.push(counted.slot);
        this.options.retire(counted.slot);
      }
    }
    // They may lead to what was given up, or to the overflow for want of it; workloads that are gone go, too.
    this.forget();
  }

  private find(record: ExchangeRecord): Way {
    const { direction, destination } = record;
    const service = record.clusterName === PASSTHROUGH ? PASSTHROUGH : record.destinationService;
    const source = direction === 'gateway' ? this.options.node : record.source;
    const grpcStatus = record.protocol === 'HTTP/2' ? grpcStatusOf(record) : -1;
    let outcome = record.responseCode;
    if (record.flags !== 0 || grpcStatus >= 0) outcome += 1024 * (record.flags + FLAG_SETS * (grpcStatus + 1));
    const way = this.waysOf(record).get(destination)?.get(service)?.get(outcome)?.get(source);
    return way ?? this.remember(record, source, service, grpcStatus, outcome);
  }

  private waysOf({ direction, connection }: ExchangeRecord): Ways {
    return direction === 'inbound' && connection.tls !== null ? this.secured : this.ways[direction];
  }

  private remember(
    record: ExchangeRecord,
    source: Workload | null,
    service: string,
    grpcStatus: number,
    outcome: number,
  ): Way {
    const way: Way = { labels: httpLabels(record, source, service, grpcStatus), slot: -1, chosen: null };
    this.oneMore();
    const services = entry(this.waysOf(record), record.destination);
    entry(entry(services, service), outcome).set(source, way);
    return way;
  }

  private findIn(view: MetricsView, way: Way, record: ExchangeRecord): number {
    const values = view.programs.map((read) => labelValue(read(record) ?? undefined));
    const key = values.length === 1 ? values[0] : values.map((value) => `${value.length} ${value}`).join();
    const known = way.chosen?.get(view)?.get(key);
    if (known !== undefined) return known;
    const labels = view.standard.map((at) => (at < 0 ? values[-1 - at] : way.labels[at]));
    const at = this.intern(labels, view);
    this.oneMore();
    way.chosen ??= new Map();
    entry(way.chosen, view).set(key, at);
    return at;
  }

  private oneMore(): void {
    if (this.remembered >= MAX_REMEMBERED) this.forget();
    this.remembered++;
  }

  private intern(labels: readonly string[], chosen?: Series['chosen'], name = HTTP_SERIES): number {
    const known = this.sets.get(keyOf(labels, chosen));
    if (known !== undefined) return known.slot;
    const origin = originOf(labels, chosen);
    if (this.counts.unproven >= MAX_UNPROVEN && origin === 'unproven') return this.overflow();
    if (this.counts.chosen >= MAX_CHOSEN && origin === 'chosen') return this.overflow();
    const slot = this.allocate();
    if (slot < 0) return this.overflow();
    const series: Series = { slot, name, labels, ...plain(chosen) };
    this.add(series, performance.now());
    this.options.announce(series);
    return slot;
  }

  private add({ slot, labels, chosen }: Series, now: number): void {
    const origin = originOf(labels, chosen);
    this.counts[origin]++;
    const activity = activityOf(this.slots, slot);
    this.sets.set(keyOf(labels, chosen), { slot, origin, activity, changedAt: now });
  }

  private allocate(): number {
    const slot = this.free.pop();
    if (slot !== undefined) return slot;
    if (this.next >= OVERFLOW_SLOT) return -1;
    this.next += SLOTS_PER_SET;
    return this.next - SLOTS_PER_SET;
  }

  private release(slot: number): void {
    this.slots.fill(0, slot, slot + SLOTS_PER_SET);
    this.free.push(slot);
  }

  private forget(): void {
    for (const way of [...Object.values(this.ways), this.secured]) way.clear();
    this.remembered = 0;
  }

  private overflow(): number {
    if (!this.overflowing) {
      this.overflowing = true;
      this.options.overflowed();
      this.options.announce({ slot: OVERFLOW_SLOT, name: HTTP_SERIES, labels: OTHER });
    }
    return OVERFLOW_SLOT;
  }
}

function originOf(labels: readonly string[], chosen: Series['chosen']): Origin {
  if (chosen !== undefined) return 'chosen';
  // A caller that says of itself who it is, without an address that proves it.
  const heard =
    labels[REPORTER] === 'destination' && labels[SOURCE] !== UNKNOWN && labels[SOURCE_PRINCIPAL] === UNKNOWN;
  return heard ? 'unproven' : 'proven';
}

function keyOf(labels: readonly string[], chosen: Series['chosen']): string {
  return chosen === undefined ? labels.join('\n') : JSON.stringify([chosen.families, chosen.names, labels]);
}

/** Without what cannot cross threads. */
function plain(chosen: Series['chosen']): Pick<Series, 'chosen'> {
  return chosen === undefined ? {} : { chosen: { names: chosen.names, families: chosen.families } };
}

function entry<K, InnerK, InnerV>(map: Map<K, Map<InnerK, InnerV>>, key: K): Map<InnerK, InnerV> {
  let inner = map.get(key);
  if (inner === undefined) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}

/** -1 for a request that is not gRPC; 2 (UNKNOWN) when the answer has no status that there is. */
function grpcStatusOf(record: ExchangeRecord): number {
  if (record.requestHead === null || !isGrpc(record.requestHead)) return -1;
  const status = ATTRIBUTES['response.grpc_status'].read(record);
  return status !== undefined && status <= 16 ? status : 2;
}
