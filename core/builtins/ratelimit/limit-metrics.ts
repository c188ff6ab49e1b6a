// What a rate limit counts, by policy and limit. A series begins with its first count.

import { MetricType } from '../../wasm/abi/abi.ts';
import type { ForeignHost } from '../../wasm/abi/foreign.ts';
import { HOST } from '../../wasm/shared/metrics.ts';

const REQUESTS = 'weft_rate_limit_requests_total';
const EVICTIONS = 'weft_rate_limit_evictions_total';

/**
 * 'ok': a token was there; 'shadow_limited': none was, and the request passed; 'unavailable': the count could not be
 * reached; 'evicted': a new key pushed out one whose bucket was not full.
 */
export type LimitEvent = 'ok' | 'limited' | 'shadow_limited' | 'unavailable' | 'evicted';

export class LimitMetrics {
  private readonly metrics: ForeignHost['metrics'];
  private readonly labels: string;
  private readonly ids = { ok: 0, limited: 0, shadow_limited: 0, unavailable: 0, evicted: 0 };

  constructor(metrics: ForeignHost['metrics'], policy: string, limit: string) {
    this.metrics = metrics;
    this.labels = `policy="${escaped(policy)}",limit="${escaped(limit)}"`;
  }

  count(event: LimitEvent): void {
    const { ids, metrics } = this;
    if (ids[event] === 0) ids[event] = metrics.define(MetricType.Counter, this.series(event), HOST);
    metrics.count(ids[event]);
  }

  private series(event: LimitEvent): string {
    return event === 'evicted' ? `${EVICTIONS}{${this.labels}}` : `${REQUESTS}{${this.labels},result="${event}"}`;
  }
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
