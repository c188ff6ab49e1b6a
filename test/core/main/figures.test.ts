import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumHttp2 } from '../../../core/admin/dumps.ts';
import { http2Counts } from '../../../core/http2/limits.ts';
import { type Facts, registerFigures } from '../../../core/main/figures.ts';
import { Exposition } from '../../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../../core/telemetry/registry.ts';

test('what peers of HTTP/2 do wrong is summed over the shards, each kind a metric of its own', () => {
  const names = Object.keys(http2Counts) as (keyof typeof http2Counts)[];
  const shard = Object.fromEntries(names.map((name, i) => [name, i + 1])) as typeof http2Counts;
  const none = { fetches: 0, failures: 0, failing: 0 };
  const facts: Facts = {
    ...{ version: '1', startedAt: 0, live: () => true, revision: () => 0, rejected: () => 0 },
    ...{ shards: () => ({ count: 2, serving: 2, restarts: 0 }), listeners: () => [], keys: () => none },
    ...{ certificateExpiresIn: () => null, linesDropped: () => 0, http2: () => sumHttp2([shard, shard]) },
  };
  const exposition = new Exposition(new StatisticsRegistry(1));
  registerFigures(exposition, facts);
  const lines = exposition.render().split('\n');
  const counted = lines.filter((line) => /^(envoy_|weft_)http/.test(line));
  assert.deepEqual(
    counted.map((line) => Number(line.split(' ')[1])).sort((a, b) => a - b),
    names.map((_, i) => 2 * (i + 1)),
  );
  assert.ok(counted.includes(`envoy_http2_rx_messaging_error_total ${2 * shard.malformedMessages}`));
  // Before anybody has answered.
  assert.deepEqual(sumHttp2([]), {});
});
