import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { bench, Wire } from './pool-rig.ts';

test('an idle connection is taken before another is opened, the last used first', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench();
  const [a, b] = [waiter('a'), waiter('b')];
  endpoint.pool.take(cluster, a);
  endpoint.pool.take(cluster, b);
  const [first, second] = [new Wire(), new Wire()];
  dials[0].opened(first);
  dials[1].opened(second);
  first.done();
  second.done();
  const c = waiter('c');
  endpoint.pool.take(cluster, c);
  assert.equal(c.wire, second);
  assert.equal(dials.length, 2);
  assert.deepEqual(outcomes, ['a connected', 'b connected', 'c connected']);
  endpoint.pool.take(cluster, waiter('d'));
  second.done();
  first.done();
  const e = waiter('e');
  endpoint.pool.take(cluster, e);
  assert.equal(e.wire, first);
  timers.stop();
});

test('above the limit of connections requests wait, and above the limit of waiting they overflow', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1, maxPendingRequests: 1 });
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  dials[0].opened(new Wire());
  endpoint.pool.take(cluster, waiter('b'));
  endpoint.pool.take(cluster, waiter('c'));
  assert.deepEqual(outcomes, ['a connected', 'c overflow']);
  assert.equal(cluster.counts.overflows, 1);
  a.wire!.done();
  assert.deepEqual(outcomes, ['a connected', 'c overflow', 'b connected']);
  assert.equal(dials.length, 1);
  timers.stop();
});

test('who waited for a place gets a connection of his own when the one before him is lost', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1 });
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  dials[0].opened(new Wire());
  endpoint.pool.take(cluster, waiter('b'));
  a.wire!.destroy();
  assert.equal(dials.length, 2);
  dials[1].opened(new Wire());
  assert.deepEqual(outcomes, ['a connected', 'b connected']);
  timers.stop();
});

test('a refused connection fails everybody who had counted on it, not one after the other', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1 });
  endpoint.pool.take(cluster, waiter('a'));
  endpoint.pool.take(cluster, waiter('b'));
  dials[0].failed('connect ECONNREFUSED');
  assert.deepEqual(outcomes, ['a connect_failure connect ECONNREFUSED', 'b connect_failure connect ECONNREFUSED']);
  assert.equal(dials.length, 1);
  timers.stop();
});

test('a refused connection fails nobody for whom another is on its way', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 2 });
  for (const name of ['a', 'b']) endpoint.pool.take(cluster, waiter(name));
  dials[0].failed('connect ECONNREFUSED');
  dials[1].opened(new Wire());
  assert.deepEqual(outcomes, ['a connect_failure connect ECONNREFUSED', 'b connected']);
  timers.stop();
});

test('where a connection is open, one that is refused fails one request, and the next one waiting is tried again', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 2 });
  for (const name of ['a', 'b', 'c', 'd']) endpoint.pool.take(cluster, waiter(name));
  dials[0].opened(new Wire());
  dials[1].failed('connect ECONNREFUSED');
  assert.deepEqual(outcomes, ['a connected', 'b connect_failure connect ECONNREFUSED']);
  assert.equal(dials.length, 3);
  timers.stop();
});

test('a connection that does not come in time is given up', () => {
  const { endpoint, cluster, dials, outcomes, waiter, at, timers } = bench({ connectTimeoutMs: 100 });
  endpoint.pool.take(cluster, waiter('a'));
  at(200);
  assert.deepEqual(outcomes, ['a connect_timeout connect timeout']);
  assert.equal(dials[0].abandoned, true);
  timers.stop();
});

test('an idle connection closes after its idle time, and after its number of requests', () => {
  const { endpoint, cluster, dials, waiter, at, timers } = bench({ idleTimeoutMs: 1000, maxRequestsPerConnection: 2 });
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  const wire = new Wire();
  dials[0].opened(wire);
  wire.done();
  endpoint.pool.take(cluster, waiter('b'));
  wire.done();
  assert.equal(wire.destroyed, true);
  endpoint.pool.take(cluster, waiter('c'));
  const other = new Wire();
  dials[1].opened(other);
  other.done();
  at(2000);
  assert.equal(other.destroyed, true);
  assert.equal(endpoint.pool.connections, 0);
  timers.stop();
});

test('a connection opened for somebody who gave up becomes idle', () => {
  const { endpoint, cluster, dials, waiter, timers } = bench();
  const a = waiter('a');
  endpoint.pool.take(cluster, a);
  endpoint.pool.cancel(a);
  dials[0].opened(new Wire());
  assert.equal(endpoint.pool.idleConnections, 1);
  timers.stop();
});

test('an endpoint that left the mesh closes idle connections now and busy ones after their request', () => {
  const { endpoint, cluster, dials, waiter, timers } = bench();
  const [a, b] = [waiter('a'), waiter('b')];
  endpoint.pool.take(cluster, a);
  endpoint.pool.take(cluster, b);
  const [idle, busy] = [new Wire(), new Wire()];
  dials[0].opened(idle);
  dials[1].opened(busy);
  idle.done();
  endpoint.pool.retire();
  assert.deepEqual([idle.destroyed, busy.destroyed], [true, false]);
  busy.done();
  assert.equal(busy.destroyed, true);
  timers.stop();
});

test('a connection that comes after its endpoint left the mesh serves who waits for it, and closes', () => {
  const { endpoint, cluster, dials, outcomes, waiter, timers } = bench();
  const [a, b] = [waiter('a'), waiter('b')];
  endpoint.pool.take(cluster, a);
  endpoint.pool.take(cluster, b);
  endpoint.pool.retire();
  const [used, unused] = [new Wire(), new Wire()];
  dials[0].opened(used);
  endpoint.pool.cancel(b);
  dials[1].opened(unused);
  assert.deepEqual(outcomes, ['a connected']);
  assert.deepEqual([used.destroyed, unused.destroyed], [false, true]);
  used.done();
  assert.equal(used.destroyed, true);
  assert.equal(endpoint.pool.connections, 0);
  timers.stop();
});

test('a cluster with a high limit does not wait behind one of the same endpoint that has reached its own', () => {
  const { endpoint, cluster, dials, waiter, timers } = bench({ maxConnections: 1 });
  const wide = new Cluster({ ...cluster.spec, policy: DEFAULT_POLICY }, Math.random);
  endpoint.pool.take(cluster, waiter('a'));
  endpoint.pool.take(cluster, waiter('b'));
  assert.equal(dials.length, 1);
  endpoint.pool.take(wide, waiter('c'));
  assert.equal(dials.length, 2);
  timers.stop();
});
