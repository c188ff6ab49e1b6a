// Metrics that filters define: counters, gauges, histograms by name. The same name is the same metric. Bounded: names are
// a filter's to make up, and tag values hide in them.

import { MetricType, Status } from './abi.ts';

export interface Metric {
  readonly name: string;
  readonly type: number;
  value: bigint;
}

const MAX_METRICS = 2000;

export class Metrics {
  private readonly byId: Metric[] = [];
  private readonly ids = new Map<string, number>();

  /** Id of the metric, from 1 on; 0 when there are too many. */
  define(type: number, name: string): number {
    const key = `${type} ${name}`;
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    if (this.byId.length >= MAX_METRICS) return 0;
    this.byId.push({ name, type, value: 0n });
    this.ids.set(key, this.byId.length);
    return this.byId.length;
  }

  increment(id: number, delta: bigint): number {
    const metric = this.byId[id - 1];
    if (metric === undefined) return Status.NotFound;
    if (metric.type === MetricType.Histogram) return Status.BadArgument;
    if (metric.type === MetricType.Counter && delta <= 0n) return Status.BadArgument;
    metric.value = BigInt.asIntN(64, metric.value + delta);
    return Status.Ok;
  }

  /** A counter adds what is recorded, as Envoy's does. */
  record(id: number, value: bigint): number {
    const metric = this.byId[id - 1];
    if (metric === undefined) return Status.NotFound;
    metric.value = metric.type === MetricType.Gauge ? value : BigInt.asIntN(64, metric.value + value);
    return Status.Ok;
  }

  get(id: number): Metric | undefined {
    return this.byId[id - 1];
  }

  all(): readonly Metric[] {
    return this.byId;
  }
}
