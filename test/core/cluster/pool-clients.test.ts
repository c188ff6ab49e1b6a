import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import { type Origin, writeProxyHeader } from '../../../core/transport/proxy-header.ts';
import { bench, Wire } from './pool-rig.ts';

const client = (remoteAddress: string): Origin => ({
  ...{ remoteAddress, remotePort: 1, localAddress: '192.0.2.9', localPort: 443 },
});
const [ONE, OTHER] = [client('192.0.2.1'), client('192.0.2.2')];
const header = (of: Origin | null): string => writeProxyHeader('V1', of).latin1Slice();

suite('connections that say for whom they are', () => {
  test('are that client’s alone, and say it first', () => {
    const { endpoint, cluster, dials, waiter, timers } = bench();
    const pools = [ONE, OTHER, null].map((of) => endpoint.poolFor('http/1.1', 'V1', of));
    for (const pool of [...pools, endpoint.pool]) pool.take(cluster, waiter('a'));
    assert.deepEqual(
      dials.map((dial) => dial.header),
      [header(ONE), header(OTHER), header(null), ''],
    );
    assert.equal(endpoint.poolFor('http/1.1', 'V1', ONE), pools[0]);
    for (const [protocol, version] of [
      ['http/1.1', 'V2'],
      ['h2', 'V1'],
    ] as const) {
      assert.notEqual(endpoint.poolFor(protocol, version, ONE), pools[0]);
    }
    endpoint.destroy();
    timers.stop();
  });

  test('are kept for its next request, and nothing is remembered of who has none left', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench();
    const pool = endpoint.poolFor('http/1.1', 'V1', ONE);
    pool.take(cluster, waiter('a'));
    const wire = new Wire();
    dials[0].opened(wire);
    wire.done();
    assert.equal(endpoint.poolFor('http/1.1', 'V1', ONE), pool);
    assert.equal(endpoint.connections, 1);
    wire.destroy();
    assert.notEqual(endpoint.poolFor('http/1.1', 'V1', ONE), pool);
    // So is who got none, and who wanted none any more.
    const failed = endpoint.poolFor('http/1.1', 'V1', OTHER);
    failed.take(cluster, waiter('b'));
    dials[1].failed('connect ECONNREFUSED');
    assert.notEqual(endpoint.poolFor('http/1.1', 'V1', OTHER), failed);
    assert.deepEqual(outcomes, ['a connected', 'b connect_failure connect ECONNREFUSED']);
    assert.equal(endpoint.connections, 0);
    timers.stop();
  });

  test('make room for each other within the cluster’s limit', () => {
    const { endpoint, cluster, dials, outcomes, waiter, timers } = bench({ maxConnections: 1, maxPendingRequests: 1 });
    endpoint.poolFor('http/1.1', 'V1', ONE).take(cluster, waiter('a'));
    const wire = new Wire();
    dials[0].opened(wire);
    const refused = endpoint.poolFor('http/1.1', 'V1', null);
    endpoint.poolFor('http/1.1', 'V1', OTHER).take(cluster, waiter('b'));
    refused.take(cluster, waiter('c'));
    assert.notEqual(endpoint.poolFor('http/1.1', 'V1', null), refused);
    assert.equal(dials.length, 1);
    wire.done();
    assert.deepEqual([wire.destroyed, dials.length, dials[1].header], [true, 2, header(OTHER)]);
    dials[1].opened(new Wire());
    assert.deepEqual(outcomes, ['a connected', 'c overflow', 'b connected']);
    endpoint.destroy();
    timers.stop();
  });

  test('are those of all requests where another sidecar is at the other end', () => {
    const { cluster, timers } = bench();
    const environment = { timers, expectedStreams: () => 1, dial: () => () => undefined };
    const tls = { serverName: 'a', identities: null, required: false, origination: null, aliases: [] };
    const endpoint = new Endpoint(environment, '127.0.0.1', 80, tls);
    assert.equal(endpoint.poolFor('http/1.1', 'V1', ONE), endpoint.pool);
    assert.equal(endpoint.poolFor('weft-multiplexed', 'V1', ONE), endpoint.poolOf('weft-multiplexed'));
    assert.equal(cluster.policy.proxyProtocol, null);
    timers.stop();
  });
});
