// The proxy's own figures, beside those of its requests.

import { registerProcess } from '../telemetry/process-figures.ts';
import type { Exposition } from '../telemetry/prometheus.ts';

export interface Facts {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  live(): boolean;
  /** 0 before there is one. */
  revision(): number;
  rejected(): number;
  shards(): { readonly count: number; readonly serving: number; readonly restarts: number };
  /** Of all shards, as of the last asking. */
  connections(): number;
  keys(): { readonly fetches: number; readonly failures: number; readonly failing: number };
  /** Seconds that the workload's certificate is valid; null: there is none. */
  certificateExpiresIn(): number | null;
  /** Lines of the access log that were dropped. */
  linesDropped(): number;
}

export function registerFigures(exposition: Exposition, facts: Facts): void {
  registerProcess(exposition, facts.startedAt);
  const { version: tag } = facts;
  exposition.gauge('istio_build', 'Version of the program.', { component: 'proxy', tag }, () => 1);
  exposition.gauge('weft_live', '1 when requests are served.', {}, () => (facts.live() ? 1 : 0));
  exposition.gauge('weft_config_revision', 'Revision of the running configuration.', {}, facts.revision);
  exposition.counter('weft_config_rejected_total', 'Configurations that were refused.', {}, facts.rejected);
  exposition.gauge('weft_shards', 'Data-shard threads.', {}, () => facts.shards().count);
  exposition.gauge('weft_shards_serving', 'Data-shard threads that serve.', {}, () => facts.shards().serving);
  exposition.counter('weft_shard_restarts_total', 'Data-shard threads replaced.', {}, () => facts.shards().restarts);
  exposition.gauge('weft_downstream_connections', 'Open client connections.', {}, facts.connections);
  exposition.counter('weft_jwks_fetches_total', 'Fetches of key sets.', {}, () => facts.keys().fetches);
  exposition.counter('weft_jwks_fetch_failures_total', 'Those that failed.', {}, () => facts.keys().failures);
  exposition.gauge('weft_jwks_failing', 'Key sets whose last fetch failed.', {}, () => facts.keys().failing);
  const help = 'Seconds until the certificate of the workload expires; NaN without one.';
  exposition.gauge('weft_cert_expiry_seconds', help, {}, () => facts.certificateExpiresIn() ?? Number.NaN);
  exposition.counter('weft_access_log_lines_dropped_total', 'Access-log lines lost.', {}, facts.linesDropped);
}
