import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { LogBacklog } from '../../../core/telemetry/log-backlog.ts';
import { Metrics } from '../../../core/telemetry/metrics.ts';
import { registerProcess } from '../../../core/telemetry/process-figures.ts';
import { Exposition } from '../../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../../core/telemetry/registry.ts';
import { exchange, PRODUCTPAGE, workload } from './exchange-record.ts';

/** Shards without threads: what they announce is heard at once. */
function rig(shards = 2) {
  const registry = new StatisticsRegistry(shards);
  let now = 0;
  const start = (shard: number) =>
    new Metrics({
      statistics: registry.memory[shard],
      node: PRODUCTPAGE,
      known: registry.series(shard),
      retire: (slot) => registry.gone(shard, slot),
      overflowed: () => {},
      announce: (series) => registry.announced(shard, series),
    });
  return {
    registry,
    exposition: new Exposition(registry, { now: () => now }),
    shards: Array.from({ length: shards }, (_, shard) => start(shard)),
    start,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const LABELS =
  'reporter="source",source_workload="productpage-v1",source_canonical_service="productpage",' +
  'source_canonical_revision="v1",source_workload_namespace="default",' +
  'source_principal="spiffe://cluster.local/ns/default/sa/bookinfo-productpage",source_app="productpage",' +
  'source_version="v1",source_cluster="unknown",destination_workload="reviews-v2",' +
  'destination_workload_namespace="default",' +
  'destination_principal="spiffe://cluster.local/ns/default/sa/bookinfo-reviews",destination_app="reviews",' +
  'destination_version="v2",destination_service="reviews.default.svc.cluster.local",' +
  'destination_canonical_service="reviews",destination_canonical_revision="v2",destination_service_name="reviews",' +
  'destination_service_namespace="default",destination_cluster="unknown",request_protocol="http",response_code="200",' +
  'grpc_response_status="",response_flags="-",connection_security_policy="unknown"';

const LES = [
  '0.5',
  '1',
  '5',
  '10',
  '25',
  '50',
  '100',
  '250',
  '500',
  '1000',
  '2500',
  '5000',
  '10000',
  '30000',
  '60000',
  '300000',
  '600000',
  '1800000',
  '3600000',
  '+Inf',
];

function histogram(name: string, help: string, cumulative: readonly number[], sum: number): string {
  const buckets = LES.map((le, i) => `${name}_bucket{${LABELS},le="${le}"} ${cumulative[i]}\n`).join('');
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${buckets}${name}_sum{${LABELS}} ${sum}\n${name}_count{${LABELS}} ${cumulative.at(-1)}\n`;
}

const lineOf = (text: string, start: string) => text.split('\n').filter((line) => line.startsWith(start));

describe('the exposition', () => {
  it('is what Prometheus reads: the sums of the shards, with HELP and TYPE and cumulative buckets', () => {
    const { exposition, shards } = rig();
    shards[0].exchangeEnded(exchange({ durationMs: 4, bytesReceived: 0, bytesSent: 375 }));
    shards[0].exchangeEnded(exchange({ durationMs: 40, bytesReceived: 700, bytesSent: 375 }));
    shards[1].exchangeEnded(exchange({ durationMs: 7_200_000, bytesReceived: 0, bytesSent: 375 }));
    const ms = [0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3];
    const received = [2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3];
    const sent = [0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3];
    assert.equal(
      exposition.render(),
      '# HELP istio_requests_total Requests handled by the proxy.\n' +
        '# TYPE istio_requests_total counter\n' +
        `istio_requests_total{${LABELS}} 3\n` +
        histogram('istio_request_duration_milliseconds', 'Duration of requests in milliseconds.', ms, 7_200_044) +
        histogram('istio_request_bytes', 'Body bytes of requests.', received, 700) +
        histogram('istio_response_bytes', 'Body bytes of responses.', sent, 1125),
    );
  });

  it('has the messages of gRPC calls, and only of those that had any', () => {
    const { exposition, shards } = rig();
    const grpc = {
      protocol: 'HTTP/2',
      requestHead: Head.request('POST', 'a', '/a.B/C', [['content-type', 'application/grpc']]),
    };
    const counted = (received: number, sent: number) => ({ received: { count: received }, sent: { count: sent } });
    shards[0].exchangeEnded(exchange());
    shards[0].exchangeEnded(exchange({ ...grpc, messages: counted(1, 5) }));
    shards[1].exchangeEnded(exchange({ ...grpc, messages: counted(2, 0) }));
    const [requests, ...others] = lineOf(exposition.render(), 'istio_request_messages_total');
    assert.match(requests, /request_protocol="grpc".* 3$/);
    assert.equal(others.length, 0);
    assert.match(lineOf(exposition.render(), 'istio_response_messages_total').join(), /request_protocol="grpc".* 5$/);
  });

  it('is empty without exchanges and figures', () => {
    assert.equal(rig().exposition.render(), '');
  });

  it('keeps label sets of only one shard apart from those of both', () => {
    const { exposition, shards } = rig();
    shards[0].exchangeEnded(exchange());
    shards[1].exchangeEnded(exchange());
    shards[1].exchangeEnded(exchange({ responseCode: 503 }));
    const counts = lineOf(exposition.render(), 'istio_requests_total{');
    assert.deepEqual(
      counts.map((line) => [/response_code="(\d+)"/.exec(line)?.[1], line.split(' ').at(-1)]),
      [
        ['200', '2'],
        ['503', '1'],
      ],
    );
  });

  it('counts on when a shard was started again', () => {
    const { exposition, shards, start } = rig();
    shards[0].exchangeEnded(exchange());
    assert.match(exposition.render(), /istio_requests_total\{.*\} 1\n/);
    const next = start(0);
    next.exchangeEnded(exchange());
    const counts = lineOf(exposition.render(), 'istio_requests_total{');
    assert.equal(counts.length, 1);
    assert.match(counts[0], / 2$/);
  });

  it('no longer shows what every shard that had it gave up', () => {
    const { exposition, shards } = rig();
    for (const shard of shards) shard.exchangeEnded(exchange());
    shards[0].sweep(performance.now(), -1);
    shards[0].sweep(performance.now() + 1, 0);
    assert.deepEqual(
      lineOf(exposition.render(), 'istio_requests_total').map((line) => line.split(' ').at(-1)),
      ['1'],
    );
    shards[1].sweep(performance.now(), -1);
    shards[1].sweep(performance.now() + 1, 0);
    assert.equal(exposition.render(), '');
  });

  it('escapes quotes, backslashes and line feeds of label values', () => {
    const { exposition, shards } = rig();
    const destination = workload('x', { workload: 'a"b\\c\nd' });
    shards[0].exchangeEnded(exchange({ destination }));
    assert.match(exposition.render(), /destination_workload="a\\"b\\\\c\\nd",/);
  });

  it('no longer shows what has not changed for an hour, and shows it again when it does', () => {
    const { exposition, shards, pass } = rig();
    shards[0].exchangeEnded(exchange());
    shards[0].exchangeEnded(exchange({ responseCode: 500 }));
    exposition.render();
    pass(1_800_000);
    shards[1].exchangeEnded(exchange({ responseCode: 500 }));
    assert.equal(lineOf(exposition.render(), 'istio_requests_total{').length, 2);
    pass(1_800_000);
    const left = lineOf(exposition.render(), 'istio_requests_total{');
    assert.equal(left.length, 1);
    assert.match(left[0], /response_code="500".* 2$/);
    pass(3_600_000);
    assert.equal(exposition.render(), '');
    shards[0].exchangeEnded(exchange());
    const back = lineOf(exposition.render(), 'istio_requests_total{');
    assert.equal(back.length, 1);
    assert.match(back[0], /response_code="200".* 2$/);
  });

  it("has the proxy's own figures, asked for when they are shown", () => {
    const { exposition } = rig();
    let revision = 3;
    exposition.gauge('weft_config_revision', 'Revision in force.\nSecond \\ line.', {}, () => revision);
    exposition.counter('weft_shard_restarts_total', 'Restarts.', { shard: '0' }, () => 1);
    exposition.counter(
      'weft_shard_restarts_total',
      'Restarts.',
      { shard: '1', why: 'a "b"' },
      () => Number.POSITIVE_INFINITY,
    );
    const shown = (n: number) =>
      '# HELP weft_config_revision Revision in force.\\nSecond \\\\ line.\n' +
      '# TYPE weft_config_revision gauge\n' +
      `weft_config_revision ${n}\n` +
      '# HELP weft_shard_restarts_total Restarts.\n' +
      '# TYPE weft_shard_restarts_total counter\n' +
      'weft_shard_restarts_total{shard="0"} 1\n' +
      'weft_shard_restarts_total{shard="1",why="a \\"b\\""} +Inf\n';
    assert.equal(exposition.render(), shown(3));
    revision = 4;
    assert.equal(exposition.render(), shown(4));
  });

  it('has the figures of the process', () => {
    const { exposition } = rig();
    registerProcess(exposition, 1_700_000_000_000);
    const text = exposition.render();
    assert.match(text, /^process_start_time_seconds 1700000000$/m);
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_heap_size_used_bytes']) {
      const value = Number(lineOf(text, `${name} `)[0]?.split(' ')[1]);
      assert.ok(value > 0, name);
    }
  });
});

describe('the registry', () => {
  it('takes no series that points elsewhere than at the first slot of a label set', () => {
    const { registry, shards } = rig();
    shards[0].exchangeEnded(exchange());
    const [series] = registry.series(0);
    registry.announced(1, { ...series, slot: series.slot + 1 });
    registry.announced(1, { ...series, name: 'other' });
    registry.announced(1, { ...series, labels: [] });
    assert.deepEqual(registry.series(1), []);
  });

  it('knows how much of the access logs is unwritten, and how many lines were dropped', () => {
    const { registry } = rig();
    const [first, second] = registry.memory.map((memory) => new LogBacklog(memory));
    first.posted(300);
    registry.logTaken(0, 100);
    assert.equal(first.unwritten, 200);
    assert.equal(second.unwritten, 0);
    first.lost(2);
    second.lost(3);
    assert.equal(registry.logDropped, 5);
  });
});

it('what the host counts for built-in filters has its own names and labels, which no plugin can take', () => {
  const metric = (name: string, ours: boolean) => ({ name, ours, type: 0, value: 1n, buckets: [] as bigint[] });
  const exposition = new Exposition(new StatisticsRegistry(1), {
    filterMetrics: () => [
      metric('weft_x_total{a="1"}', true),
      metric('weft_x_total{a="2"}', false),
      metric('weft_x_total{a="3"}', true),
    ],
  });
  const lines = exposition.render().split('\n');
  assert.deepEqual(lines.slice(0, 4), [
    '# HELP weft_x_total Counted for a built-in filter.',
    '# TYPE weft_x_total counter',
    'weft_x_total{a="1"} 1',
    'weft_x_total{a="3"} 1',
  ]);
  assert.ok(lines.includes('wasmcustom_weft_x_total_a__2__ 1'));
});

it('what filters count stands under Envoy’s prefix for it, one family a name', () => {
  const metric = (name: string, type: number, value: bigint) => ({
    name,
    ours: false,
    type,
    value,
    buckets: [] as bigint[],
  });
  const buckets = new Array(20).fill(0n);
  buckets[3] = 2n;
  buckets[19] = 1n;
  const exposition = new Exposition(new StatisticsRegistry(1), {
    filterMetrics: () => [
      metric('istio_requests_total', 0, 3n),
      metric('a.b', 0, 1n),
      metric('a-b', 0, 2n),
      metric('a b', 1, -7n),
      { ours: false, name: 'ms', type: 2, value: 44n, buckets },
    ],
  });
  assert.deepEqual(
    exposition
      .render()
      .split('\n')
      .filter((line) => !line.includes('_bucket') || /le="(5|10|\+Inf)"/.test(line)),
    [
      '# HELP wasmcustom_istio_requests_total Defined by a filter.',
      '# TYPE wasmcustom_istio_requests_total counter',
      'wasmcustom_istio_requests_total 3',
      '# HELP wasmcustom_a_b Defined by a filter.',
      '# TYPE wasmcustom_a_b counter',
      'wasmcustom_a_b 3',
      '# HELP wasmcustom_a_b_gauge Defined by a filter.',
      '# TYPE wasmcustom_a_b_gauge gauge',
      'wasmcustom_a_b_gauge -7',
      '# HELP wasmcustom_ms Defined by a filter.',
      '# TYPE wasmcustom_ms histogram',
      'wasmcustom_ms_bucket{le="5"} 0',
      'wasmcustom_ms_bucket{le="10"} 2',
      'wasmcustom_ms_bucket{le="+Inf"} 3',
      'wasmcustom_ms_sum 44',
      'wasmcustom_ms_count 3',
      '',
    ],
  );
});
