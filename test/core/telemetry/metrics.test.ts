import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagBit } from '../../../core/errors.ts';
import type { ExchangeRecord } from '../../../core/exchange/record.ts';
import { Head } from '../../../core/http/head.ts';
import type { Series } from '../../../core/shard/protocol.ts';
import { Metrics } from '../../../core/telemetry/metrics.ts';
import {
  BUCKETS,
  DURATION,
  HTTP_LABELS,
  HTTP_SERIES,
  MAX_SETS,
  REQUEST_BYTES,
  REQUESTS,
  RESPONSE_BYTES,
  STATISTICS_BYTES,
} from '../../../core/telemetry/statistics.ts';
import { exchange, PRODUCTPAGE, REVIEWS, workload } from './exchange-record.ts';

const GATEWAY = workload('gateway-v1', { namespace: 'istio-system' });
const GRPC_CALL = Head.request('POST', 'a', '/', [['content-type', 'application/grpc+proto']]);

class Shard {
  readonly statistics: SharedArrayBuffer;
  readonly announced: Series[] = [];
  readonly retired: number[] = [];
  readonly metrics: Metrics;
  readonly slots: Float64Array;

  constructor(statistics = new SharedArrayBuffer(STATISTICS_BYTES), known: readonly Series[] = []) {
    this.statistics = statistics;
    this.slots = new Float64Array(statistics);
    this.metrics = new Metrics({
      statistics,
      node: GATEWAY,
      known,
      announce: (series) => this.announced.push(series),
      retire: (slot) => this.retired.push(slot),
      overflowed: () => {},
    });
  }

  end(over: Partial<ExchangeRecord> = {}): this {
    this.metrics.exchangeEnded(exchange(over));
    return this;
  }

  /** Labels of the label set announced last. */
  get labels(): Record<string, string> {
    const { labels } = this.announced.at(-1)!;
    return Object.fromEntries(HTTP_LABELS.map((name, i) => [name, labels[i]]));
  }

  requests(series: Series): number {
    return this.slots[series.slot + REQUESTS];
  }
}

const labelsOf = (over: Partial<ExchangeRecord> = {}) => new Shard().end(over).labels;

describe('labels', () => {
  it("are Istio's for an outbound request, all of them, in order", () => {
    assert.deepEqual(Object.entries(labelsOf()), [
      ['reporter', 'source'],
      ['source_workload', 'productpage-v1'],
      ['source_canonical_service', 'productpage'],
      ['source_canonical_revision', 'v1'],
      ['source_workload_namespace', 'default'],
      ['source_principal', 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage'],
      ['source_app', 'productpage'],
      ['source_version', 'v1'],
      ['source_cluster', 'unknown'],
      ['destination_workload', 'reviews-v2'],
      ['destination_workload_namespace', 'default'],
      ['destination_principal', 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews'],
      ['destination_app', 'reviews'],
      ['destination_version', 'v2'],
      ['destination_service', 'reviews.default.svc.cluster.local'],
      ['destination_canonical_service', 'reviews'],
      ['destination_canonical_revision', 'v2'],
      ['destination_service_name', 'reviews'],
      ['destination_service_namespace', 'default'],
      ['destination_cluster', 'unknown'],
      ['request_protocol', 'http'],
      ['response_code', '200'],
      ['grpc_response_status', ''],
      ['response_flags', '-'],
      ['connection_security_policy', 'unknown'],
    ]);
  });

  it('say destination and plain text for an inbound request, and nothing of a caller that nobody knows', () => {
    const labels = labelsOf({ direction: 'inbound', source: null, sourcePrincipal: '' });
    assert.equal(labels.reporter, 'destination');
    assert.equal(labels.connection_security_policy, 'none');
    assert.equal(labels.source_workload, 'unknown');
    assert.equal(labels.source_canonical_revision, 'latest');
    assert.equal(labels.source_principal, 'unknown');
    assert.equal(labels.destination_workload, 'reviews-v2');
  });

  it('take a hearsay workload for what it says and give it no principal', () => {
    const hearsay = workload('forged-v1', { serviceAccount: '', trustDomain: '', labels: {} });
    const labels = labelsOf({ direction: 'inbound', source: hearsay, sourcePrincipal: '' });
    assert.equal(labels.source_workload, 'forged-v1');
    assert.equal(labels.source_principal, 'unknown');
  });

  it("name the gateway as the source of what came through it, not the gateway's client", () => {
    const labels = labelsOf({ direction: 'gateway', source: PRODUCTPAGE });
    assert.equal(labels.reporter, 'source');
    assert.equal(labels.source_workload, 'gateway-v1');
    assert.equal(labels.source_workload_namespace, 'istio-system');
    assert.equal(labels.source_principal, 'spiffe://cluster.local/ns/istio-system/sa/bookinfo-gateway');
  });

  it("prefer the canonical labels to the application's", () => {
    const destination = workload('reviews-v2', {
      labels: {
        app: 'reviews',
        version: 'v2',
        'service.istio.io/canonical-name': 'ratings-of-books',
        'app.kubernetes.io/version': '2.1',
      },
    });
    const labels = labelsOf({ destination });
    assert.equal(labels.destination_canonical_service, 'ratings-of-books');
    assert.equal(labels.destination_canonical_revision, '2.1');
    assert.equal(labels.destination_app, 'reviews');
    assert.equal(labelsOf({ destination: workload('x', { labels: {} }) }).destination_canonical_service, 'x');
  });

  it('tell flags and codes of requests that never had an upstream', () => {
    const labels = labelsOf({ destination: null, destinationService: '', responseCode: 404, flags: flagBit('NR') });
    assert.equal(labels.response_code, '404');
    assert.equal(labels.response_flags, 'NR');
    assert.equal(labels.destination_service, 'unknown');
    assert.equal(labels.destination_service_name, 'unknown');
  });

  it('do not contain the names of hosts that the mesh does not know', () => {
    const shard = new Shard();
    for (let i = 0; i < 100; i++) {
      shard.end({ clusterName: 'PassthroughCluster', destinationService: `h${i}.example`, destination: null });
    }
    assert.equal(shard.announced.length, 1);
    assert.equal(shard.labels.destination_service_name, 'PassthroughCluster');
    assert.equal(shard.labels.destination_service, 'unknown');
  });

  it("keep an external service's name whole", () => {
    const labels = labelsOf({ destinationService: 'api.example.com', destination: null });
    assert.equal(labels.destination_service_name, 'api.example.com');
    assert.equal(labels.destination_service_namespace, 'unknown');
  });

  it('know gRPC by its content type and tell its status, an impossible one as unknown', () => {
    const grpc = (status: string) => ({
      protocol: 'HTTP/2',
      requestHead: GRPC_CALL,
      responseTrailers: Head.response(0, [['grpc-status', status]]),
    });
    assert.equal(labelsOf(grpc('14')).grpc_response_status, '14');
    assert.equal(labelsOf(grpc('14')).request_protocol, 'grpc');
    assert.equal(labelsOf(grpc('99')).grpc_response_status, '2');
    assert.equal(new Shard().end(grpc('0')).end(grpc('5')).end(grpc('0')).announced.length, 2);
  });
});

describe('counting', () => {
  it('adds every exchange to one label set, which is announced once', () => {
    const shard = new Shard();
    shard.end({ durationMs: 0.5, bytesReceived: 10, bytesSent: 375 });
    shard.end({ durationMs: 7, bytesReceived: 0, bytesSent: 2_000_000_000 });
    const [series] = shard.announced;
    assert.equal(shard.announced.length, 1);
    assert.equal(series.name, HTTP_SERIES);
    assert.equal(shard.requests(series), 2);
    const histogram = (offset: number) => {
      const at = series.slot + offset;
      const buckets = [...shard.slots.subarray(at, at + BUCKETS.length + 1)];
      return {
        buckets: buckets.flatMap((n, i) => (n === 0 ? [] : [[BUCKETS[i] ?? 'inf', n]])),
        sum: shard.slots[at + BUCKETS.length + 1],
      };
    };
    assert.deepEqual(histogram(DURATION), {
      buckets: [
        [0.5, 1],
        [10, 1],
      ],
      sum: 7.5,
    });
    assert.deepEqual(histogram(REQUEST_BYTES), {
      buckets: [
        [0.5, 1],
        [10, 1],
      ],
      sum: 10,
    });
    assert.deepEqual(histogram(RESPONSE_BYTES), {
      buckets: [
        [500, 1],
        ['inf', 1],
      ],
      sum: 2_000_000_375,
    });
  });

  it('keeps what differs in direction, code, flags or caller apart', () => {
    const shard = new Shard();
    const ways: Partial<ExchangeRecord>[] = [
      {},
      { responseCode: 503 },
      { responseCode: 503, flags: flagBit('UC') },
      { responseCode: 503, flags: flagBit('UF') },
      { responseCode: 503, flags: flagBit('DR') },
      { responseCode: 503, protocol: 'HTTP/2', requestHead: GRPC_CALL },
      { responseCode: 503, protocol: 'HTTP/2', requestHead: GRPC_CALL, flags: flagBit('DR') },
      { direction: 'inbound' },
      { direction: 'gateway' },
      { source: REVIEWS, direction: 'inbound' },
      { destination: null },
      { destinationService: 'other.default.svc.cluster.local' },
    ];
    for (let round = 0; round < 3; round++) for (const way of ways) shard.end(way);
    assert.equal(shard.announced.length, ways.length);
    for (const series of shard.announced) assert.equal(shard.requests(series), 3);
    assert.equal(new Set(shard.announced.map(({ slot }) => slot)).size, ways.length);
  });

  it('finds the same label set for the new objects that a change of the registry brings', () => {
    const shard = new Shard();
    for (let i = 0; i < 20_000; i++) shard.end({ destination: { ...REVIEWS } });
    assert.equal(shard.announced.length, 1);
    assert.equal(shard.requests(shard.announced[0]), 20_000);
  });

  it('goes on where the shard before it stopped, and announces nothing twice', () => {
    const before = new Shard().end().end({ responseCode: 500 });
    const after = new Shard(before.statistics, before.announced).end().end({ responseCode: 404 });
    assert.equal(after.requests(before.announced[0]), 2);
    assert.equal(after.requests(before.announced[1]), 1);
    assert.equal(after.announced.length, 1);
    assert.equal(after.requests(after.announced[0]), 1);
    assert.ok(!before.announced.some(({ slot }) => slot === after.announced[0].slot));
  });

  it('leaves memory alone that a nonsensical announcement points at', () => {
    const labels = HTTP_LABELS.map(() => 'x');
    const nonsense: Series[] = [
      { slot: 17, name: HTTP_SERIES, labels },
      { slot: -64, name: HTTP_SERIES, labels },
      { slot: 1e9, name: HTTP_SERIES, labels },
      { slot: 16, name: 'other', labels },
      { slot: 16, name: HTTP_SERIES, labels: ['x'] },
    ];
    const shard = new Shard(undefined, nonsense).end();
    assert.equal(shard.requests(shard.announced[0]), 1);
  });

  it('counts what does not fit under "other", also after a restart', () => {
    const shard = new Shard();
    for (let i = 0; i < MAX_SETS + 10; i++) shard.end({ destinationService: `s${i}.default.svc.cluster.local` });
    const other = shard.announced.at(-1)!;
    assert.equal(shard.announced.length, MAX_SETS);
    assert.ok(other.labels.every((label) => label === 'other'));
    assert.equal(shard.requests(other), 11);
    const after = new Shard(shard.statistics, shard.announced).end({ destinationService: 'new.a.svc.cluster.local' });
    after.end({ destinationService: 's3.default.svc.cluster.local' });
    assert.equal(after.announced.length, 0);
    assert.equal(after.requests(other), 12);
    assert.equal(after.requests(shard.announced[3]), 2);
  });

  it('leaves room for everybody else when callers invent who they are', () => {
    const shard = new Shard();
    const invent = (target: Shard, i: number) =>
      target.end({
        direction: 'inbound',
        source: workload(`forged${i}`, { serviceAccount: '', labels: {} }),
        sourcePrincipal: '',
      });
    for (let i = 0; i < 2 * MAX_SETS; i++) invent(shard, i);
    assert.equal(shard.announced.length, MAX_SETS / 4 + 1);
    assert.equal(shard.end().labels.source_workload, 'productpage-v1');
    const after = new Shard(shard.statistics, shard.announced);
    invent(after, -1);
    assert.equal(after.announced.length, 0);
  });

  it('gives up a label set that counts nothing for long, and uses its slots again, from zero', () => {
    const shard = new Shard().end().end({ responseCode: 404 });
    const [busy, idle] = shard.announced;
    shard.metrics.sweep(0, 1_000);
    shard.end();
    shard.metrics.sweep(1_000, 1_000);
    assert.deepEqual(shard.retired, [idle.slot]);
    // The main thread has a sweep's time to hear of it.
    shard.end({ responseCode: 500 });
    assert.notEqual(shard.announced[2].slot, idle.slot);
    assert.equal(shard.requests(idle), 1);
    shard.metrics.sweep(1_500, 1_000);
    assert.equal(shard.requests(idle), 0);
    shard.end({ responseCode: 404 });
    assert.deepEqual([shard.announced[3].slot, shard.announced[3].labels], [idle.slot, idle.labels]);
    assert.equal(shard.requests(idle), 1);
    assert.equal(shard.requests(busy), 2);
  });

  it('counts by itself again what was "other", once there is room', () => {
    const shard = new Shard();
    for (let i = 0; i < MAX_SETS + 1; i++) shard.end({ destinationService: `s${i}.default.svc.cluster.local` });
    const late = { destinationService: `s${MAX_SETS}.default.svc.cluster.local` };
    for (const now of [0, 2_000, 4_000]) shard.metrics.sweep(now, 1_000);
    assert.equal(shard.retired.length, MAX_SETS - 1);
    shard.end(late);
    assert.equal(shard.labels.destination_service, late.destinationService);
    assert.equal(shard.requests(shard.announced.at(-1)!), 1);
  });

  it('clears after a restart what the shard before it had given up', () => {
    const before = new Shard().end().end({ responseCode: 404 });
    const [gone, kept] = before.announced;
    const after = new Shard(before.statistics, [kept]);
    assert.equal(after.requests(gone), 0);
    after.end({ responseCode: 500 });
    assert.equal(after.announced[0].slot, gone.slot);
    assert.equal(after.requests(kept), 1);
  });

  it('does not count a tunnel, whose requests count themselves', () => {
    assert.equal(new Shard().end({ responseCodeDetails: 'tunnel' }).announced.length, 0);
  });
});
