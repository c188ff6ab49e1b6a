// The layout of a shard's statistics: Float64 slots in shared memory, written by the shard alone, read by the main thread.
// They outlive the shard. Plain adds: no slot has two writers.
//
//   slot 0..15      the access log's ledger (log-backlog.ts), the rest spare
//   then 66 slots per label set, of HTTP metrics:
//   +0              requests
//   +1  +22  +43    request duration, request bytes, response bytes: 20 buckets (not cumulative, the last is +Inf), sum
//   +64 +65         messages of gRPC calls: to upstreams, and back
//   or of TCP metrics:
//   +0 +1 +2 +3     connections opened, closed, bytes sent, received

import type { Series } from '../shard/protocol.ts';

/** Envoy's, for milliseconds as for bytes. */
export const BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

export const FIRST_SLOT = 16;
export const SLOTS_PER_SET = 66;
/** Label sets of one shard, the one for what does not fit included. */
export const MAX_SETS = 1024;

/** What one shard's statistics need. */
export const STATISTICS_BYTES = (FIRST_SLOT + SLOTS_PER_SET * MAX_SETS) * Float64Array.BYTES_PER_ELEMENT;

/** Of the ledger of the access log. */
export const LOG_POSTED = 0;
export const LOG_WRITTEN = 1;
export const LOG_DROPPED = 2;

export const REQUESTS = 0;
export const DURATION = 1;
export const REQUEST_BYTES = 22;
export const RESPONSE_BYTES = 43;
export const REQUEST_MESSAGES = 64;
export const RESPONSE_MESSAGES = 65;

/** The name under which a label set of HTTP metrics is announced, by its first slot. */
export const HTTP_SERIES = 'istio_http';

/** The same of TCP metrics. */
export const TCP_SERIES = 'istio_tcp';
export const OPENED = 0;
export const CLOSED = 1;
export const SENT_BYTES = 2;
export const RECEIVED_BYTES = 3;

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  /** From the label set's first slot. */
  readonly offset: number;
  /** Of gRPC alone: shown where there was any. */
  readonly ofCalls?: boolean;
}

export const HTTP_FAMILIES: readonly Family[] = [
  { name: 'istio_requests_total', help: 'Requests handled by the proxy.', type: 'counter', offset: REQUESTS },
  {
    name: 'istio_request_duration_milliseconds',
    help: 'Duration of requests in milliseconds.',
    type: 'histogram',
    offset: DURATION,
  },
  { name: 'istio_request_bytes', help: 'Body bytes of requests.', type: 'histogram', offset: REQUEST_BYTES },
  { name: 'istio_response_bytes', help: 'Body bytes of responses.', type: 'histogram', offset: RESPONSE_BYTES },
  {
    name: 'istio_request_messages_total',
    help: 'Messages of gRPC calls to services.',
    type: 'counter',
    offset: REQUEST_MESSAGES,
    ofCalls: true,
  },
  {
    name: 'istio_response_messages_total',
    help: 'Messages of gRPC calls from services.',
    type: 'counter',
    offset: RESPONSE_MESSAGES,
    ofCalls: true,
  },
];

export const TCP_FAMILIES: readonly Family[] = [
  { name: 'istio_tcp_connections_opened_total', help: 'Connections opened.', type: 'counter', offset: OPENED },
  { name: 'istio_tcp_connections_closed_total', help: 'Connections closed.', type: 'counter', offset: CLOSED },
  { name: 'istio_tcp_sent_bytes_total', help: 'Bytes sent to who connected.', type: 'counter', offset: SENT_BYTES },
  {
    name: 'istio_tcp_received_bytes_total',
    help: 'Bytes received from who connected.',
    type: 'counter',
    offset: RECEIVED_BYTES,
  },
];

/** A bit for each of the families of HTTP, in their order. */
export const ALL_FAMILIES = (1 << HTTP_FAMILIES.length) - 1;
/** Those of TCP follow. */
export const TCP_BIT = 1 << HTTP_FAMILIES.length;
export const ALL_TCP_FAMILIES = TCP_BIT * ((1 << TCP_FAMILIES.length) - 1);

/** Istio's, in Istio's order. */
export const HTTP_LABELS = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
] as const;

/** Of TCP metrics: without what only requests have. */
export const TCP_LABELS: readonly string[] = HTTP_LABELS.filter(
  (name) => name !== 'response_code' && name !== 'grpc_response_status',
);

/** Grows with everything that is counted there: the first slots only grow, of either kind. */
export function activityOf(slots: Float64Array, slot: number): number {
  return slots[slot] + slots[slot + 1] + slots[slot + 2] + slots[slot + 3];
}

/** One observation: the bucket and the sum; the count is the sum of the buckets. */
export function observe(slots: Float64Array, histogram: number, value: number): void {
  let bucket = 0;
  while (bucket < BUCKETS.length && value > BUCKETS[bucket]) bucket++;
  slots[histogram + bucket] += 1;
  slots[histogram + BUCKETS.length + 1] += value;
}

/** True when the series is one that this layout has; false for what another version or nonsense announced. */
export function isSeries({ slot, name, labels, chosen }: Series): boolean {
  return (
    (name === HTTP_SERIES
      ? labels.length === (chosen?.names ?? HTTP_LABELS).length
      : name === TCP_SERIES && chosen === undefined && labels.length === TCP_LABELS.length) &&
    Number.isInteger(slot) &&
    slot >= FIRST_SLOT &&
    slot < FIRST_SLOT + SLOTS_PER_SET * MAX_SETS &&
    (slot - FIRST_SLOT) % SLOTS_PER_SET === 0
  );
}
