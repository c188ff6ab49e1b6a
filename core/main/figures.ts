// The proxy's own figures, beside those of its requests.

import type { Http2Dump, ListenerDump } from '../shard/dump.ts';
import { registerProcess } from '../telemetry/process-figures.ts';
import type { Exposition } from '../telemetry/prometheus.ts';

/** Envoy's names where it counts the same; 'weft' where one of ours stands for several of its. */
const HTTP2: readonly (readonly [of: keyof Http2Dump, name: string, help: string])[] = [
  ['malformedMessages', 'envoy_http2_rx_messaging_error', 'Messages that break rules of HTTP/2 (RFC 9113 8).'],
  ['headerFloods', 'envoy_http2_header_overflow', 'Connections whose heads had no end.'],
  ['outboundFloods', 'envoy_http2_outbound_flood', 'Connections that asked on and read no answers.'],
  ['stalled', 'envoy_http2_tx_flush_timeout', 'Connections that took nothing for too long.'],
  ['resetFloods', 'envoy_http_downstream_rq_too_many_premature_resets', 'Connections that gave up too many streams.'],
  ['controlFloods', 'weft_http2_inbound_control_flood', 'Connections with too many frames that carry nothing.'],
  ['streamsRefused', 'weft_http2_streams_refused', 'Streams above what was allowed.'],
  ['protocolErrors', 'weft_http2_protocol_errors', 'Connections that ended by an error of the protocol.'],
  ['streamErrors', 'weft_http2_stream_errors', 'Streams that were given up for what their peer sent.'],
];

type Counted = 'connections' | 'handshakes' | 'handshakesFailed' | 'plainRefused' | 'proxyRefused' | 'misdeclared';

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
  listeners(): readonly ListenerDump[];
  /** Likewise; empty before. */
  http2(): Partial<Http2Dump>;
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
  const sum = (of: Counted) => () => facts.listeners().reduce((total, listener) => total + listener[of], 0);
  exposition.gauge('weft_downstream_connections', 'Open client connections.', {}, sum('connections'));
  exposition.counter('weft_tls_handshakes_total', 'Mutual TLS with clients.', {}, sum('handshakes'));
  exposition.counter('weft_tls_handshakes_failed_total', 'Clients that failed at it.', {}, sum('handshakesFailed'));
  exposition.counter(
    'weft_proxy_headers_refused_total',
    'Connections without a header of the PROXY protocol, where that is asked for.',
    {},
    sum('proxyRefused'),
  );
  exposition.counter(
    'weft_misdeclared_connections_total',
    'Connections that spoke another protocol than is declared.',
    {},
    sum('misdeclared'),
  );
  exposition.counter('weft_plain_text_refused_total', 'Clients without TLS in STRICT.', {}, sum('plainRefused'));
  for (const [of, name, help] of HTTP2) exposition.counter(`${name}_total`, help, {}, () => facts.http2()[of] ?? 0);
  exposition.counter('weft_jwks_fetches_total', 'Fetches of key sets.', {}, () => facts.keys().fetches);
  exposition.counter('weft_jwks_fetch_failures_total', 'Those that failed.', {}, () => facts.keys().failures);
  exposition.gauge('weft_jwks_failing', 'Key sets whose last fetch failed.', {}, () => facts.keys().failing);
  registerExpiry(exposition, {}, () => facts.certificateExpiresIn() ?? Number.NaN);
  exposition.counter('weft_access_log_lines_dropped_total', 'Access-log lines lost.', {}, facts.linesDropped);
}

/** Of the workload's own certificate, or of one that the configuration names. */
export function registerExpiry(exposition: Exposition, labels: { name?: string }, seconds: () => number): void {
  const help = 'Seconds until the certificate expires, of the workload or by its name; NaN without one.';
  exposition.gauge('weft_cert_expiry_seconds', help, { ...labels }, seconds);
}
