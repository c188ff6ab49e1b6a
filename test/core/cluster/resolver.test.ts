import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, type ClusterSpec, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import { Resolver } from '../../../core/cluster/resolver.ts';
import { Timers } from '../../../core/timers.ts';

function bench(answer: () => Promise<readonly string[]>, refused: (address: string) => boolean = () => false) {
  const timers = new Timers(1000);
  timers.stop();
  let asked = 0;
  const resolver = new Resolver(
    (address, port) => new Endpoint({ timers, expectedStreams: () => 1, dial: () => () => {} }, address, port),
    refused,
    () => {
      asked++;
      return answer();
    },
  );
  const spec: ClusterSpec = {
    name: 'outbound|80||up.example',
    kind: 'outbound',
    service: 'up.example',
    port: 80,
    subset: '',
    labels: {},
    policy: DEFAULT_POLICY,
    dns: [{ host: 'up.example', port: 8080, weight: 1 }],
    tls: null,
    rule: '',
  };
  const cluster = new Cluster(spec, Math.random);
  cluster.resolve = resolver.resolverOf(cluster);
  const resolved = (): Promise<string[]> =>
    new Promise((resolve) => cluster.resolve!(() => resolve(cluster.endpoints.map(({ key }) => key))));
  return { cluster, resolved, asked: () => asked };
}

test('a name is asked once for all who wait, and its addresses are kept', async () => {
  const { resolved, asked } = bench(async () => ['192.0.2.1', '192.0.2.2']);
  assert.deepEqual(await Promise.all([resolved(), resolved()]), [
    ['192.0.2.1:8080', '192.0.2.2:8080'],
    ['192.0.2.1:8080', '192.0.2.2:8080'],
  ]);
  await resolved();
  assert.equal(asked(), 1);
});

test('addresses that nobody may be sent to are left out, whatever the name says', async () => {
  const { resolved } = bench(
    async () => ['169.254.169.254', '192.0.2.1'],
    (address) => address.startsWith('169.254.'),
  );
  assert.deepEqual(await resolved(), ['192.0.2.1:8080']);
});

test('a name without an address is not asked again at once', async () => {
  const { resolved, asked } = bench(() => Promise.reject(new Error('ENOTFOUND')));
  assert.deepEqual([await resolved(), await resolved(), asked()], [[], [], 1]);
});
