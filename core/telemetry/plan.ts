// What the configuration says of an exchange's telemetry, compiled: which metrics with which labels, and whether there is a
// line in the access log. Without a Telemetry resource there is no plan.

import type { ExchangeRecord } from '../exchange/record.ts';

export interface TelemetryPlan {
  /** Of exchanges that this proxy sends for its application, or takes in at the edge. */
  readonly client: TelemetrySide;
  /** Of exchanges that arrive for its application. */
  readonly server: TelemetrySide;
}

export interface TelemetrySide {
  /** Null: Istio's standard metrics. Empty: none. */
  readonly metrics: readonly MetricsView[] | null;
  /** Null: as the proxy was started. */
  readonly accessLog: LogRule | null;
}

export interface LogRule {
  /** True when the log was asked for by name: a proxy that was started without one writes it, too. */
  readonly named: boolean;
  passes(record: ExchangeRecord): boolean;
}

/** Metrics that have their labels in common. */
export interface MetricsView {
  /** A bit for each family of HTTP_FAMILIES. */
  readonly families: number;
  /** The labels' names, in order. */
  readonly names: readonly string[];
  /** For each label its place in HTTP_LABELS, or -1 - n: what the program n comes to. */
  readonly standard: readonly number[];
  /** Null: it has no value. */
  readonly programs: readonly ((record: ExchangeRecord) => string | null)[];
}

export function sideOf({ client, server }: TelemetryPlan, { direction }: ExchangeRecord): TelemetrySide {
  return direction === 'inbound' ? server : client;
}
