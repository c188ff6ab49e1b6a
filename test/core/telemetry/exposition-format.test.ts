// What is exposed, read as strictly as Prometheus' own checker reads it: the text format 0.0.4.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { Metrics } from '../../../core/telemetry/metrics.ts';
import type { MetricsView, TelemetryPlan } from '../../../core/telemetry/plan.ts';
import { Exposition } from '../../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../../core/telemetry/registry.ts';
import { HTTP_LABELS } from '../../../core/telemetry/statistics.ts';
import { exchange, PRODUCTPAGE, workload } from './exchange-record.ts';

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/** Families by name. Asserts all that the format asks for. */
function read(text: string): Map<string, { type: string; samples: number }> {
  const families = new Map<string, { type: string; samples: number }>();
  const seen = new Set<string>();
  let last = '';
  const lines = text.split('\n');
  assert.equal(lines.pop(), '', 'it ends with a line feed');
  for (const line of lines) {
    const declared = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (declared !== null) {
      const [, what, name, rest] = declared;
      if (what === 'HELP') assert.ok(!families.has(name), `${name} is declared twice`);
      else families.set(name, { type: rest, samples: 0 });
      last = name;
      continue;
    }
    const sample = SAMPLE.exec(line);
    assert.ok(sample !== null, line);
    const [, name, labels = ''] = sample;
    const family = families.get(last)!;
    const suffix = name.slice(last.length);
    assert.ok(name.startsWith(last), `${name} is not under ${last}`);
    assert.ok(family.type === 'histogram' ? /^_(bucket|sum|count)$/.test(suffix) : suffix === '', line);
    const names = labelNames(labels);
    assert.equal(new Set(names).size, names.length, line);
    assert.equal(names.includes('le'), suffix === '_bucket', line);
    const series = `${name}{${labels}}`;
    assert.ok(!seen.has(series), `twice: ${series}`);
    seen.add(series);
    family.samples++;
  }
  return families;
}

function labelNames(labels: string): string[] {
  const names: string[] = [];
  for (LABEL.lastIndex = 0; LABEL.lastIndex < labels.length; ) {
    const label = LABEL.exec(labels);
    assert.ok(label !== null, `no label: ${labels}`);
    names.push(label[1]);
  }
  return names;
}

test('whatever is in its labels, the exposition is well formed, and no series comes twice', () => {
  const registry = new StatisticsRegistry(2);
  const view: MetricsView = {
    families: 0b0011,
    names: [...HTTP_LABELS.slice(1), 'tag'],
    standard: [...HTTP_LABELS.slice(1).map((_, i) => i + 1), -1],
    programs: [(record) => record.requestHead?.path ?? null],
  };
  const nothing: MetricsView = { families: 0b1000, names: [], standard: [], programs: [] };
  const plan: TelemetryPlan = {
    client: { metrics: [view, nothing], accessLog: null },
    server: { metrics: null, accessLog: null },
  };
  for (const shard of [0, 1]) {
    const metrics = new Metrics({
      statistics: registry.memory[shard],
      node: PRODUCTPAGE,
      known: [],
      announce: (series) => registry.announced(shard, series),
      retire: () => {},
      overflowed: () => {},
    });
    for (const hostile of ['a"b', 'a\\', 'a\nb', 'a\\"', '{}', 'le="1"', 'é', '']) {
      const over = {
        destination: workload('x', { workload: hostile }),
        destinationService: hostile,
        requestHead: Head.request('GET', 'reviews', `/${hostile}`, []),
      };
      metrics.exchangeEnded(exchange(over));
      metrics.exchangeEnded(exchange(over), plan);
      metrics.exchangeEnded(exchange({ ...over, direction: 'inbound' }), plan);
    }
  }
  const exposition = new Exposition(registry);
  exposition.gauge('weft_test', 'A help\nof two lines \\ and a backslash', { a: '"\n\\' }, () => 1.5);
  exposition.counter('weft_test_total', 'Nothing', {}, () => Number.NaN);
  const families = read(exposition.render());
  assert.deepEqual(
    [...families].map(([name, { type }]) => `${name} ${type}`),
    [
      'istio_requests_total counter',
      'istio_request_duration_milliseconds histogram',
      'istio_request_bytes histogram',
      'istio_response_bytes histogram',
      'weft_test gauge',
      'weft_test_total counter',
    ],
  );
  assert.ok(families.get('istio_requests_total')!.samples >= 16);
});
