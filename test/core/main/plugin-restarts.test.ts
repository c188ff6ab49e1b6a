import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PluginRestarts } from '../../../core/main/plugin-restarts.ts';
import { Exposition } from '../../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../../core/telemetry/registry.ts';

const lines = (exposition: Exposition): string[] =>
  exposition
    .render()
    .split('\n')
    .filter((line) => line.startsWith('weft_plugin_restarts_total'));

test('restarts are counted by plugin and reason, whichever shard tells of them', () => {
  const exposition = new Exposition(new StatisticsRegistry(1));
  const restarts = new PluginRestarts(exposition);
  assert.deepEqual(lines(exposition), []);
  restarts.restarted('tenant', 'trap');
  restarts.restarted('tenant', 'fuel');
  restarts.restarted('tenant', 'trap');
  assert.deepEqual(lines(exposition), [
    'weft_plugin_restarts_total{plugin="tenant",reason="trap"} 2',
    'weft_plugin_restarts_total{plugin="tenant",reason="fuel"} 1',
  ]);
});

test('names without end become one', () => {
  const exposition = new Exposition(new StatisticsRegistry(1));
  const restarts = new PluginRestarts(exposition);
  for (let i = 0; i < 600; i++) restarts.restarted(`p${i}`, 'trap');
  assert.equal(lines(exposition).length, 501);
  assert.ok(lines(exposition).includes('weft_plugin_restarts_total{plugin="other",reason="trap"} 100'));
});
