import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, DEFAULT_POLICY, type LoadBalancing } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import { Timers } from '../../../core/timers.ts';

function cluster(loadBalancing: LoadBalancing, count: number, random: () => number = Math.random): Cluster {
  const timers = new Timers(1000);
  timers.stop();
  const made = new Cluster(
    {
      name: 'c',
      kind: 'outbound',
      service: 's',
      port: 80,
      subset: '',
      labels: {},
      policy: { ...DEFAULT_POLICY, loadBalancing },
      dns: [],
      rule: '',
    },
    random,
  );
  made.endpoints = Array.from(
    { length: count },
    (_, i) => new Endpoint({ timers, dial: () => () => {} }, `127.0.0.${i + 2}`, 80),
  );
  return made;
}

test('a cluster without endpoints has nobody to pick', () => {
  assert.equal(cluster('LEAST_REQUEST', 0).pick(null), null);
});

test('least request takes the less busy of two different endpoints', () => {
  const made = cluster('LEAST_REQUEST', 2);
  made.endpoints[0].active = 5;
  for (let i = 0; i < 50; i++) assert.equal(made.pick(null), made.endpoints[1]);
});

test('least request spreads evenly over equally busy endpoints', () => {
  const made = cluster('LEAST_REQUEST', 4);
  const counts = new Map<string, number>();
  for (let i = 0; i < 8000; i++) {
    const { key } = made.pick(null)!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(count > 1500 && count < 2500, `${count} of 8000`);
});

test('round robin takes turns', () => {
  const made = cluster('ROUND_ROBIN', 3);
  const turn = Array.from({ length: 6 }, () => made.endpoints.indexOf(made.pick(null)!));
  assert.deepEqual([...turn].sort(), [0, 0, 1, 1, 2, 2]);
  assert.deepEqual(turn.slice(0, 3), turn.slice(3));
});

test('the endpoints that failed before are avoided while there is another', () => {
  const made = cluster('RANDOM', 3, () => 0);
  const [first, second, third] = made.endpoints;
  assert.equal(made.pick([first]), second);
  assert.equal(made.pick([first, second]), third);
  assert.equal(made.pick([first, second, third]), first);
  const alone = cluster('RANDOM', 1);
  assert.equal(alone.pick([alone.endpoints[0]]), alone.endpoints[0]);
});

test('repeated requests fit the larger of a share of the requests under way and the least number', () => {
  const made = cluster('RANDOM', 1);
  made.retrying = 2;
  assert.equal(made.retryFits(0), true);
  made.retrying = 3;
  assert.equal(made.retryFits(0), false);
  assert.equal(made.retryFits(1), true, 'whoever holds a place may go on with it');
  made.active = 20;
  assert.equal(made.retryFits(0), true);
  made.retrying = 4;
  assert.equal(made.retryFits(0), false);
});
