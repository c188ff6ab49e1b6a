import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { telemetryAt } from '../../../../core/builtins/telemetry/telemetry.ts';
import { decodeYaml } from '../../../../core/config/decode.ts';
import { isKind } from '../../../../core/config/is-kind.ts';
import type { ExchangeRecord } from '../../../../core/exchange/record.ts';
import { Head } from '../../../../core/http/head.ts';
import { Metrics } from '../../../../core/telemetry/metrics.ts';
import { sideOf, type TelemetryPlan } from '../../../../core/telemetry/plan.ts';
import { Exposition } from '../../../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../../../core/telemetry/registry.ts';
import { MAX_SETS } from '../../../../core/telemetry/statistics.ts';
import type { Node } from '../../../../core/workload.ts';
import { exchange, PRODUCTPAGE, REVIEWS } from '../../telemetry/exchange-record.ts';

const NODE: Node = {
  ...PRODUCTPAGE,
  id: 'sidecar~127.1.0.1~productpage-v1-1.default~default.svc.cluster.local',
  role: 'sidecar',
  address: '127.1.0.1',
  app: null,
  services: [],
};

/** A Telemetry of `namespace`; with labels for the workloads that have them. */
function telemetry(namespace: string, spec: string, matchLabels: Record<string, string> | null = null): string {
  const selector = matchLabels === null ? '' : `selector: ${JSON.stringify({ matchLabels })}, `;
  const name = `${namespace}-${matchLabels === null ? 'wide' : Object.values(matchLabels).join('-')}`;
  return `apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {${selector}${spec}}`;
}

function planOf(...yaml: string[]): TelemetryPlan | null {
  const { resources, problems } = decodeYaml(yaml.join('\n---\n'));
  assert.deepEqual(problems, []);
  return telemetryAt(
    resources.filter((resource) => isKind(resource, 'Telemetry')),
    NODE,
  );
}

function rig(plan: TelemetryPlan | null) {
  const registry = new StatisticsRegistry(1);
  let overflows = 0;
  const start = () =>
    new Metrics({
      statistics: registry.memory[0],
      node: NODE,
      known: registry.series(0),
      announce: (series) => registry.announced(0, structuredClone(series)),
      retire: (slot) => registry.gone(0, slot),
      overflowed: () => overflows++,
    });
  let metrics = start();
  return {
    end: (over: Partial<ExchangeRecord> = {}) => metrics.exchangeEnded(exchange(over), plan),
    restart: () => {
      metrics = start();
    },
    sweep: (now: number) => metrics.sweep(now, 1000),
    text: () => new Exposition(registry).render(),
    /** The samples of a counter without its standard labels. */
    requests: () =>
      new Exposition(registry)
        .render()
        .split('\n')
        .filter((line) => line.startsWith('istio_requests_total')),
    get overflows() {
      return overflows;
    },
  };
}

const get = (path: string, ...fields: [string, string][]) => ({
  requestHead: Head.request('GET', 'reviews', path, fields),
});
const logs = (plan: TelemetryPlan | null, over: Partial<ExchangeRecord> = {}): boolean | null => {
  const record = exchange(over);
  return plan === null ? null : (sideOf(plan, record).accessLog?.passes(record) ?? null);
};

describe('metrics that a Telemetry chooses', () => {
  it('are the standard ones when it says nothing of them, or nothing else', () => {
    assert.equal(planOf(), null);
    assert.equal(planOf(telemetry('default', 'tracing: []')), null);
    assert.equal(planOf(telemetry('default', 'metrics: [{providers: [{name: prometheus}]}]'))!.client.metrics, null);
    assert.equal(planOf(telemetry('other', 'metrics: [{overrides: [{disabled: true}]}]')), null);
  });

  it('have the tags that it adds, replaces and removes, each where it said', () => {
    const { end, text } = rig(
      planOf(
        telemetry(
          'default',
          `metrics: [{overrides: [
            {match: {metric: REQUEST_COUNT}, tagOverrides: {request_method: {value: request.method}, response_code: {value: 'response.code >= 500 ? "5xx" : "ok"'}}},
            {match: {metric: ALL_METRICS}, tagOverrides: {source_cluster: {operation: REMOVE}}}]}]`,
        ),
      ),
    );
    end({ ...get('/a'), responseCode: 200 });
    end({ ...get('/b'), responseCode: 201 });
    end({ ...get('/c'), responseCode: 503 });
    const lines = text().split('\n');
    const counts = lines.filter((line) => line.startsWith('istio_requests_total'));
    assert.equal(counts.length, 2);
    assert.match(counts[0], /response_code="ok",.*connection_security_policy="unknown",request_method="GET"} 2$/);
    assert.match(counts[1], /response_code="5xx",.*request_method="GET"} 1$/);
    const durations = lines.filter((line) => line.startsWith('istio_request_duration_milliseconds_count'));
    assert.deepEqual(
      durations.map((line) => /response_code="(\d+)"/.exec(line)?.[1]),
      ['200', '201', '503'],
    );
    assert.ok(!durations.some((line) => line.includes('request_method')));
    assert.ok(!text().includes('source_cluster='));
    assert.ok(text().includes('destination_cluster='));
  });

  it('are those of the side that it names', () => {
    const plan = planOf(telemetry('default', 'metrics: [{overrides: [{match: {mode: CLIENT}, disabled: true}]}]'));
    const { end, requests } = rig(plan);
    end({ direction: 'outbound' });
    end({ direction: 'inbound' });
    assert.equal(requests().length, 1);
    assert.match(requests()[0], /reporter="destination"/);
  });

  it('are absent when they are disabled, and the others stay', () => {
    const plan = planOf(
      telemetry(
        'istio-system',
        'metrics: [{overrides: [{match: {metric: ALL_METRICS}, disabled: true}, {match: {metric: REQUEST_COUNT}, disabled: false}]}]',
      ),
    );
    const { end, text } = rig(plan);
    end();
    assert.deepEqual(
      text()
        .split('\n')
        .filter((line) => line.startsWith('# TYPE')),
      ['# TYPE istio_requests_total counter'],
    );
  });

  it('are none when the last list of providers has no prometheus', () => {
    const { end, text } = rig(
      planOf(
        telemetry('istio-system', 'metrics: [{providers: [{name: prometheus}]}]'),
        telemetry('default', 'metrics: [{providers: [{name: otel}]}]'),
      ),
    );
    end();
    assert.equal(text(), '');
  });

  it('merge from the mesh over the namespace to the workload, tag by tag', () => {
    const override = (tag: string, value: string) =>
      `metrics: [{overrides: [{tagOverrides: {${tag}: {value: '"${value}"'}}}]}]`;
    const plan = planOf(
      telemetry('istio-system', override('a', 'mesh')),
      telemetry('istio-system', override('a', 'not for other namespaces'), { app: 'productpage' }),
      telemetry('default', override('b', 'namespace')),
      telemetry('default', override('b', 'workload'), { app: 'productpage' }),
      telemetry('default', override('a', 'another workload'), { app: 'reviews' }),
    );
    const { end, requests } = rig(plan);
    end();
    assert.match(requests()[0], /,a="mesh",b="workload"}/);
  });

  it('escape what they print, and call what has no value unknown', () => {
    const tag =
      'metrics: [{overrides: [{tagOverrides: {x: {value: request.headers.x}, y: {value: request.headers.y}}}]}]';
    const { end, requests } = rig(planOf(telemetry('default', tag)));
    end(get('/', ['x', 'a"b\\c']));
    end(get('/', ['y', 'z'.repeat(300)]));
    assert.ok(requests()[0].includes(',x="a\\"b\\\\c",y="unknown"} 1'));
    assert.ok(requests()[1].includes(`,x="unknown",y="${'z'.repeat(253)}"} 1`));
  });

  it('go on in the next shard, and make no series twice beside the standard ones of before', () => {
    const plan = planOf(
      telemetry('default', 'metrics: [{overrides: [{match: {metric: RESPONSE_SIZE}, disabled: true}]}]'),
    );
    const rigged = rig(plan);
    rigged.end();
    rigged.restart();
    rigged.end();
    assert.match(rigged.requests()[0], / 2$/);
    assert.ok(!rigged.text().includes('istio_response_bytes'));
    const names = rigged
      .text()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')));
    assert.equal(new Set(names).size, names.length);
  });

  it('cannot be made so many by requests that the standard ones have no room; the rest is one series, told once', () => {
    const tag = 'metrics: [{overrides: [{match: {mode: CLIENT}, tagOverrides: {x: {value: request.path}}}]}]';
    const rigged = rig(planOf(telemetry('default', tag)));
    for (let i = 0; i < MAX_SETS; i++) rigged.end(get(`/${i}`));
    rigged.end({ direction: 'inbound', destination: REVIEWS });
    const lines = rigged.requests();
    assert.equal(lines.length, MAX_SETS / 2 + 2);
    assert.ok(lines.some((line) => line.includes('reporter="destination"') && line.endsWith(' 1')));
    assert.ok(lines.some((line) => line.includes('reporter="other"') && line.endsWith(` ${MAX_SETS / 2}`)));
    assert.equal(rigged.overflows, 1);
    rigged.sweep(0);
    rigged.sweep(performance.now() + 10_000);
    rigged.sweep(performance.now() + 20_000);
    rigged.end(get('/again'));
    assert.ok(rigged.requests().some((line) => line.includes('x="/again"')));
  });
});

describe('the access log that a Telemetry chooses', () => {
  it('is as the proxy was started without one', () => {
    assert.equal(logs(planOf(telemetry('default', 'metrics: [{overrides: [{disabled: true}]}]'))), null);
  });

  it('has the exchanges that pass its filter', () => {
    const plan = planOf(telemetry('default', 'accessLogging: [{filter: {expression: "response.code >= 500"}}]'));
    assert.equal(logs(plan, { responseCode: 200 }), false);
    assert.equal(logs(plan, { responseCode: 503 }), true);
    assert.equal(plan!.client.accessLog!.named, false);
  });

  it('is disabled and enabled by side, and the more particular resource wins', () => {
    const off = telemetry('istio-system', 'accessLogging: [{providers: [{name: envoy}], disabled: true}]');
    assert.equal(logs(planOf(off)), false);
    const on = telemetry('default', 'accessLogging: [{match: {mode: SERVER}, providers: [{name: envoy}]}]');
    const plan = planOf(off, on);
    assert.equal(logs(plan, { direction: 'outbound' }), false);
    assert.equal(logs(plan, { direction: 'gateway' }), false);
    assert.equal(logs(plan, { direction: 'inbound' }), true);
    assert.equal(plan!.server.accessLog!.named, true);
  });

  it('is another one when another provider is named', () => {
    assert.equal(logs(planOf(telemetry('default', 'accessLogging: [{providers: [{name: otel}]}]'))), false);
    const envoy = telemetry('istio-system', 'accessLogging: [{providers: [{name: envoy}]}]');
    assert.equal(logs(planOf(envoy, telemetry('default', 'accessLogging: [{providers: [{name: otel}]}]'))), false);
    assert.equal(logs(planOf(envoy, telemetry('default', 'accessLogging: [{disabled: false}]'))), true);
  });
});
