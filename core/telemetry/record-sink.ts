// Where exchanges go when they have ended, and connections without requests: what counts, logs and traces them is behind this. Types only.

import type { ExchangeRecord } from '../exchange/record.ts';
import type { TelemetryPlan } from './plan.ts';

/**
 * Called once for every exchange, after it ended. Must not keep the record. `plan` is what the configuration that the
 * exchange began with says of telemetry; null: nothing.
 */
export interface RecordSink {
  exchangeEnded(record: ExchangeRecord, plan: TelemetryPlan | null): void;
  /** A connection whose bytes are carried as they are: when it begins, whenever bytes are counted, and at its one end. */
  connectionOpened(record: ExchangeRecord, plan: TelemetryPlan | null): void;
  connectionMoved(record: ExchangeRecord, received: number, sent: number, plan: TelemetryPlan | null): void;
  connectionEnded(record: ExchangeRecord, plan: TelemetryPlan | null): void;
}
