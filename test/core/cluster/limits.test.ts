// A cluster's limits of connections and of waiting requests hold over all of its endpoints and all shards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import {
  CONNECTIONS,
  createLimits,
  releaseDeadLimits,
  SharedLimits,
  WAITING,
} from '../../../core/cluster/shared-limits.ts';
import { bench, Wire } from './pool-rig.ts';

const ONE = { maxConnections: 1, maxPendingRequests: 1 };

test('two endpoints have one limit together, and an idle connection makes room for who waits at the other', () => {
  const { endpoint, other, cluster, dials, outcomes, waiter, timers } = bench(ONE);
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  dials[0].opened(new Wire());
  other.pool.take(cluster, waiter('b'));
  other.pool.take(cluster, waiter('c'));
  endpoint.pool.take(cluster, waiter('d'));
  assert.equal(dials.length, 1);
  assert.deepEqual(outcomes, ['a connected', 'c overflow', 'd overflow']);
  a.wire!.done();
  assert.equal(a.wire!.destroyed, true, 'its place is wanted');
  assert.deepEqual(
    dials.map(({ port }) => port),
    [80, 81],
  );
  dials[1].opened(new Wire());
  assert.equal(outcomes.at(-1), 'b connected');
  timers.stop();
});

test('a connection that is idle already makes room, too', () => {
  const { endpoint, other, cluster, dials, waiter, timers } = bench(ONE);
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  dials[0].opened(new Wire());
  a.wire!.done();
  assert.equal(a.wire!.destroyed, false);
  other.pool.take(cluster, waiter('b'));
  assert.equal(a.wire!.destroyed, true);
  assert.equal(dials[1].port, 81);
  timers.stop();
});

test('a connection that did not come leaves its place to who waits at another endpoint', () => {
  const { endpoint, other, cluster, dials, outcomes, waiter, timers } = bench({ ...ONE, maxPendingRequests: 2 });
  endpoint.pool.take(cluster, waiter('a'));
  other.pool.take(cluster, waiter('b'));
  dials[0].failed('refused');
  assert.deepEqual(outcomes, ['a connect_failure refused']);
  assert.equal(dials[1].port, 81);
  timers.stop();
});

test('a tightened limit closes idle connections at once and busy ones after their request', () => {
  const { endpoint, other, cluster, dials, waiter, timers } = bench({ maxConnections: 3 });
  const [a, b, c] = ['a', 'b', 'c'].map(waiter);
  endpoint.pool.take(cluster, a);
  endpoint.pool.take(cluster, b);
  other.pool.take(cluster, c);
  for (const dial of dials) dial.opened(new Wire());
  a.wire!.done();
  cluster.configure({ ...cluster.spec, policy: { ...cluster.policy, maxConnections: 1 } });
  assert.deepEqual(
    [a, b, c].map(({ wire }) => wire!.destroyed),
    [true, false, false],
  );
  b.wire!.done();
  assert.equal(b.wire!.destroyed, true);
  c.wire!.done();
  assert.equal(c.wire!.destroyed, false);
  timers.stop();
});

test('a widened limit lets who waits go on at once', () => {
  const { endpoint, cluster, dials, waiter, timers } = bench({ maxConnections: 1 });
  endpoint.pool.take(cluster, waiter('a'));
  dials[0].opened(new Wire());
  endpoint.pool.take(cluster, waiter('b'));
  assert.equal(dials.length, 1);
  cluster.configure({ ...cluster.spec, policy: { ...cluster.policy, maxConnections: 2 } });
  assert.equal(dials.length, 2);
  timers.stop();
});

test('a connection counts for the cluster that has it, and goes to none that has as many as it may', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench(ONE);
  const wide = new Cluster({ ...cluster.spec, name: 'wide', policy: DEFAULT_POLICY }, Math.random);
  const [a, b] = ['a', 'b'].map(waiter);
  endpoint.pool.take(wide, a);
  endpoint.pool.take(wide, b);
  for (const dial of dials) dial.opened(new Wire());
  a.wire!.done();
  b.wire!.done();
  endpoint.pool.take(cluster, waiter('c'));
  endpoint.pool.take(cluster, waiter('d'));
  assert.deepEqual(outcomes.slice(2), ['c connected'], 'the other idle one is not for this cluster');
  endpoint.pool.take(wide, waiter('e'));
  assert.equal(outcomes.at(-1), 'e connected');
  timers.stop();
});

/** Two shards of one proxy. */
function shards() {
  const memory = createLimits(2);
  const shared = [0, 1].map((shard) => new SharedLimits(memory, shard));
  const benches = shared.map((limits) => bench(ONE, 1, (name) => limits.of(name)));
  return { memory, shared, first: benches[0], second: benches[1] };
}

test('shards have one limit together', () => {
  const { first, second } = shards();
  const a = first.waiter('a');
  first.endpoint.pool.take(first.cluster, a);
  first.dials[0].opened(new Wire());
  second.endpoint.pool.take(second.cluster, second.waiter('b'));
  first.endpoint.pool.take(first.cluster, first.waiter('c'));
  assert.deepEqual(first.outcomes, ['a connected', 'c overflow']);
  assert.equal(second.dials.length, 0);
  a.wire!.done();
  assert.equal(a.wire!.destroyed, true, 'its place is wanted in the other shard');
  second.at(100);
  second.dials[0].opened(new Wire());
  assert.deepEqual(second.outcomes, ['b connected']);
  for (const { timers } of [first, second]) timers.stop();
});

test('an idle connection makes room for who waits in another shard', () => {
  const { first, second } = shards();
  const a = first.waiter('a');
  first.endpoint.pool.take(first.cluster, a);
  first.dials[0].opened(new Wire());
  a.wire!.done();
  second.endpoint.pool.take(second.cluster, second.waiter('b'));
  assert.equal(a.wire!.destroyed, false);
  first.at(100);
  assert.equal(a.wire!.destroyed, true);
  second.at(100);
  assert.equal(second.dials.length, 1);
  for (const { timers } of [first, second]) timers.stop();
});

test('what a dead shard had is free again', () => {
  const { memory, shared, first, second } = shards();
  first.endpoint.pool.take(first.cluster, first.waiter('a'));
  second.endpoint.pool.take(second.cluster, second.waiter('b'));
  const counts = shared[1].of(first.cluster.name)!;
  assert.deepEqual([counts.sum(CONNECTIONS), counts.sum(WAITING)], [1, 1]);
  releaseDeadLimits(memory, 0);
  assert.deepEqual([counts.sum(CONNECTIONS), counts.sum(WAITING)], [0, 0]);
  second.endpoint.pool.take(second.cluster, second.waiter('c'));
  assert.equal(second.dials.length, 1);
  for (const { timers } of [first, second]) timers.stop();
});

test('clusters are told apart by their names, and one shard needs no count of others', () => {
  const limits = new SharedLimits(createLimits(2), 0);
  const [a, b] = ['a', 'b'].map((name) => limits.of(name)!);
  assert.equal(a.take(CONNECTIONS, 1), true);
  assert.equal(a.take(CONNECTIONS, 1), false);
  assert.equal(b.take(CONNECTIONS, 1), true);
  assert.equal(limits.of('a')!.sum(CONNECTIONS), 1);
  assert.equal(new SharedLimits(createLimits(1), 0).of('a'), null);
});
