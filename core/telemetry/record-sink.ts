// Where exchanges go when they have ended: what counts, logs and traces them is behind this. Types only.

import type { ExchangeRecord } from '../exchange/record.ts';
import type { TelemetryPlan } from './plan.ts';

/**
 * Called once for every exchange, after it ended. Must not keep the record. `plan` is what the configuration that the
 * exchange began with says of telemetry; null: nothing.
 */
export interface RecordSink {
  exchangeEnded(record: ExchangeRecord, plan: TelemetryPlan | null): void;
}
