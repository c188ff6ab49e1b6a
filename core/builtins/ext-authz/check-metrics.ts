// What came of asking an external authorizer, by its name. A series begins with its first count.

import { MetricType } from '../../wasm/abi/abi.ts';
import type { ForeignHost } from '../../wasm/abi/foreign.ts';
import { HOST } from '../../wasm/shared/metrics.ts';

const REQUESTS = 'weft_ext_authz_requests_total';

/** 'failure_mode_allowed': there was no answer, and the request passed. */
export type CheckResult = 'ok' | 'denied' | 'error' | 'failure_mode_allowed';

export class CheckMetrics {
  private readonly metrics: ForeignHost['metrics'];
  private readonly provider: string;
  private readonly ids = { ok: 0, denied: 0, error: 0, failure_mode_allowed: 0 };

  constructor(metrics: ForeignHost['metrics'], provider: string) {
    this.metrics = metrics;
    this.provider = provider.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  }

  count(result: CheckResult): void {
    const { ids, metrics } = this;
    if (ids[result] === 0) {
      const series = `${REQUESTS}{provider="${this.provider}",result="${result}"}`;
      ids[result] = metrics.define(MetricType.Counter, series, HOST);
    }
    metrics.count(ids[result]);
  }
}
