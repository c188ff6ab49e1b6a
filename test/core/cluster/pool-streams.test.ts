import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { bench, Wire } from './pool-rig.ts';

suite('connections that carry several streams', () => {
  test('are given as many as they have room for, and only then is another opened', () => {
    const { endpoint, cluster, dials, waiter, timers } = bench({}, 3);
    const waiters = Array.from({ length: 4 }, (_, i) => waiter(`${i}`));
    endpoint.pool.take(cluster, waiters[0]);
    const wire = new Wire(3);
    dials[0].opened(wire);
    for (const each of waiters.slice(1, 3)) endpoint.pool.take(cluster, each);
    assert.deepEqual([wire.activeStreams, dials.length], [3, 1]);
    endpoint.pool.take(cluster, waiters[3]);
    assert.equal(dials.length, 2);
    // A stream that ends has room for who waits, before the other connection comes.
    wire.done();
    assert.equal(waiters[3].wire, wire);
    timers.stop();
  });

  test('are counted on before they are there: those who wait for one do not open one each', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({}, 3);
    for (const name of ['a', 'b', 'c', 'd']) endpoint.pool.take(cluster, waiter(name));
    assert.equal(dials.length, 2);
    // It takes fewer than was thought: the second connection is enough for the rest.
    dials[0].opened(new Wire(2));
    assert.deepEqual(outcomes, ['a connected', 'b connected']);
    assert.equal(dials.length, 2);
    dials[1].opened(new Wire(1));
    assert.deepEqual(outcomes, ['a connected', 'b connected', 'c connected']);
    // And now another one is needed.
    assert.equal(dials.length, 3);
    timers.stop();
  });

  test('take those who wait when the peer allows more', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1 }, 1);
    for (const name of ['a', 'b', 'c']) endpoint.pool.take(cluster, waiter(name));
    const wire = new Wire(1);
    dials[0].opened(wire);
    assert.deepEqual(outcomes, ['a connected']);
    wire.allow(3);
    assert.deepEqual(outcomes, ['a connected', 'b connected', 'c connected']);
    timers.stop();
  });

  test('that say they take no more leave the pool: their streams go on, and others take their place within the limit', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1 }, 2);
    for (const name of ['a', 'b', 'c']) endpoint.pool.take(cluster, waiter(name));
    const leaving = new Wire(2);
    dials[0].opened(leaving);
    assert.equal(dials.length, 1);
    leaving.allow(0);
    assert.deepEqual([leaving.destroyed, leaving.activeStreams, dials.length], [false, 2, 2]);
    const next = new Wire(2);
    dials[1].opened(next);
    endpoint.pool.take(cluster, waiter('d'));
    assert.deepEqual(outcomes, ['a connected', 'b connected', 'c connected', 'd connected']);
    assert.equal(next.activeStreams, 2);
    assert.equal(endpoint.pool.connections, 2);
    leaving.done();
    leaving.done();
    assert.equal(leaving.destroyed, true);
    assert.equal(endpoint.pool.connections, 1);
    // The limit holds as before.
    endpoint.pool.take(cluster, waiter('e'));
    assert.equal(dials.length, 2);
    endpoint.pool.destroy();
    assert.equal(endpoint.pool.connections, 0);
    timers.stop();
  });

  test('that have none and are told to leave close at once', () => {
    const { endpoint, cluster, dials, waiter, timers } = bench({}, 2);
    const a = waiter('a');
    endpoint.pool.take(cluster, a);
    endpoint.pool.cancel(a);
    const wire = new Wire(2);
    dials[0].opened(wire);
    wire.allow(0);
    assert.equal(wire.destroyed, true);
    timers.stop();
  });

  test('carry their number of requests and no more, and close after the last of them', () => {
    const { endpoint, cluster, dials, waiter, timers } = bench({ maxRequestsPerConnection: 3 }, 8);
    const wire = new Wire(8);
    endpoint.pool.take(cluster, waiter('a'));
    dials[0].opened(wire);
    for (const name of ['b', 'c', 'd']) endpoint.pool.take(cluster, waiter(name));
    assert.deepEqual([wire.activeStreams, dials.length], [3, 2]);
    wire.done();
    wire.done();
    assert.equal(wire.destroyed, false);
    wire.done();
    assert.equal(wire.destroyed, true);
    timers.stop();
  });

  test('are idle when their last stream has ended, and not before', () => {
    const { endpoint, cluster, dials, waiter, at, timers } = bench({ idleTimeoutMs: 1000 }, 8);
    const wire = new Wire(8);
    for (const name of ['a', 'b']) endpoint.pool.take(cluster, waiter(name));
    dials[0].opened(wire);
    wire.done();
    at(5000);
    assert.deepEqual([wire.destroyed, endpoint.pool.idleConnections], [false, 0]);
    wire.done();
    assert.equal(endpoint.pool.idleConnections, 1);
    at(6500);
    assert.equal(wire.destroyed, true);
    timers.stop();
  });

  test('of an endpoint that left the mesh close after their last stream, and serve until then', () => {
    const { endpoint, cluster, dials, waiter, timers } = bench({}, 8);
    const wire = new Wire(8);
    for (const name of ['a', 'b']) endpoint.pool.take(cluster, waiter(name));
    dials[0].opened(wire);
    endpoint.pool.retire();
    endpoint.pool.take(cluster, waiter('c'));
    assert.deepEqual([dials.length, wire.activeStreams], [1, 3]);
    for (let i = 0; i < 2; i++) wire.done();
    assert.equal(wire.destroyed, false);
    wire.done();
    assert.equal(wire.destroyed, true);
    timers.stop();
  });

  test('that are lost are replaced for who waits', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1 }, 2);
    for (const name of ['a', 'b', 'c']) endpoint.pool.take(cluster, waiter(name));
    const wire = new Wire(2);
    dials[0].opened(wire);
    wire.destroy();
    assert.equal(dials.length, 2);
    dials[1].opened(new Wire(2));
    assert.equal(outcomes.at(-1), 'c connected');
    timers.stop();
  });

  test('that are refused fail those who had counted on them', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({}, 2);
    for (const name of ['a', 'b', 'c']) endpoint.pool.take(cluster, waiter(name));
    assert.equal(dials.length, 2);
    // One of the three has the other connection on its way only if two are left.
    dials[0].failed('connect ECONNREFUSED');
    assert.deepEqual(outcomes, ['a connect_failure connect ECONNREFUSED']);
    dials[1].opened(new Wire(2));
    assert.deepEqual(outcomes.slice(1), ['b connected', 'c connected']);
    timers.stop();
  });
});
