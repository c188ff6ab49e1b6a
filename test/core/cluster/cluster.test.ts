import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadBalancing } from '../../../core/cluster/balancers/balancers.ts';
import { Cluster, type ClusterSpec, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { endpointsOf } from '../../contract/balancer.ts';

function spec(loadBalancing: LoadBalancing): ClusterSpec {
  return {
    name: 'c',
    kind: 'outbound',
    service: 's',
    port: 80,
    subset: '',
    labels: {},
    policy: { ...DEFAULT_POLICY, loadBalancing },
    dns: [],
    tls: null,
    rule: '',
  };
}

function cluster(loadBalancing: LoadBalancing, count: number, random: () => number = Math.random): Cluster {
  const made = new Cluster(spec(loadBalancing), random);
  made.setEndpoints(endpointsOf(count));
  return made;
}

test('a cluster without endpoints has nobody to pick', () => {
  const made = cluster('LEAST_REQUEST', 0);
  assert.equal(made.pick(null), null);
  const admission = made.admit();
  assert.equal(admission.enter(null), null);
  admission.ended();
  assert.deepEqual([made.counts.active, made.counts.requests], [0, 0]);
});

test('least request takes the less busy of two different endpoints', () => {
  const made = cluster('LEAST_REQUEST', 2);
  for (let i = 0; i < 5; i++) made.endpoints[0].entered();
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

test('round robin gives an endpoint of three times the weight three of four turns, not in one row of many', () => {
  const made = cluster('ROUND_ROBIN', 2);
  made.setEndpoints(made.endpoints, [25, 75]);
  const turns = Array.from({ length: 40 }, () => made.endpoints.indexOf(made.pick(null)!)).join('');
  for (let i = 0; i < 40; i += 4) assert.equal(turns.slice(i, i + 4).replaceAll('1', ''), '0', turns);
});

test('weights that are no whole number from 1 on count as the next that is', () => {
  const made = cluster('ROUND_ROBIN', 3);
  made.setEndpoints(made.endpoints, [0, 1.9]);
  const turns = Array.from({ length: 9 }, () => made.endpoints.indexOf(made.pick(null)!));
  assert.deepEqual(turns.toSorted(), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
});

test('a cluster that is told to balance in another way does so among the endpoints that it has', () => {
  const made = cluster('RANDOM', 3, () => 0);
  made.setEndpoints(made.endpoints, [2, 1, 1]);
  assert.equal(made.pick(null), made.endpoints[0]);
  made.configure(spec('ROUND_ROBIN'));
  const turns = Array.from({ length: 8 }, () => made.endpoints.indexOf(made.pick(null)!));
  assert.deepEqual(turns.toSorted(), [0, 0, 0, 0, 1, 1, 2, 2]);
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

test('a request counts from when it has an endpoint until it is over, once, however it ends', () => {
  const made = cluster('RANDOM', 1);
  const [endpoint] = made.endpoints;
  const figures = () => [made.counts.active, made.counts.requests, ...[endpoint.active, endpoint.failures]];
  const admissions = ['succeeded', 'failed', 'ended'].map((how) => ({ how, admission: made.admit() }));
  assert.deepEqual(figures(), [0, 0, 0, 0]);
  for (const { admission } of admissions) assert.equal(admission.enter(null), endpoint);
  assert.deepEqual([...figures(), endpoint.requests], [3, 3, 3, 0, 3]);
  admissions[0].admission.succeeded();
  assert.deepEqual(figures(), [2, 3, 2, 0]);
  admissions[1].admission.failed();
  assert.deepEqual(figures(), [1, 3, 1, 1]);
  admissions[2].admission.ended();
  assert.deepEqual(figures(), [0, 3, 0, 1]);
  for (const { admission } of admissions) {
    admission.succeeded();
    admission.failed();
    admission.ended();
  }
  assert.deepEqual(figures(), [0, 3, 0, 1]);
});

test('repeated requests fit the larger of a share of the requests under way and the least number', () => {
  const made = cluster('RANDOM', 1);
  for (let i = 0; i < 2; i++) made.admitRetry(true);
  made.admitRetry(false);
  assert.equal(made.retryFits(0), true);
  const third = made.admitRetry(true);
  assert.equal(made.retryFits(0), false);
  assert.equal(made.retryFits(1), true, 'whoever holds a place may go on with it');
  for (let i = 0; i < 20; i++) made.admit().enter(null);
  assert.equal(made.retryFits(0), true);
  const fourth = made.admitRetry(true);
  assert.equal(made.retryFits(0), false);
  fourth.ended();
  third.enter(null);
  third.succeeded();
  assert.equal(made.counts.retrying, 2, 'a place is given back by those that were sent and those that were not');
  assert.equal(made.counts.retries, 5);
});
