// What policies that are not enforced say of connections: the lines in the log have a limit, the counts have none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ObservationLog } from '../../../core/builtins/rbac/observed.ts';
import { createMetrics, Metrics } from '../../../core/wasm/shared/metrics.ts';

test('every connection is counted, and ten a second are told', () => {
  const metrics = new Metrics(createMetrics(1), 0);
  const lines: string[] = [];
  const log = new ObservationLog(metrics, (line) => lines.push(line));
  for (let i = 0; i < 25; i++) log.observe('audited', `line ${i}`, 5_000 + i);
  assert.equal(lines.length, 10);
  log.observe('audited', 'the next second', 6_000);
  log.observe('undenied', null, 6_001);
  assert.deepEqual(lines.slice(10), ['the next second']);
  assert.deepEqual(Object.fromEntries(metrics.all().map(({ name, value }) => [name, Number(value)])), {
    'rbac.audited': 26,
    'rbac.dry_run_deny.shadow_denied': 0,
    'rbac.dry_run_deny.shadow_allowed': 1,
    'rbac.dry_run_allow.shadow_allowed': 0,
    'rbac.dry_run_allow.shadow_denied': 0,
  });
});
