import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { mesh } from './in-process.ts';
import { type Outcome, Running, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();

suite('apply --wait with proxies', { timeout: 120_000 }, () => {
  let up: Running;
  let gateway: Running;
  const apply = (input: string, ...args: string[]): Promise<Outcome> =>
    mesh(['apply', '-f', '-', '--wait', ...args], { home, input });

  before(async () => {
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    gateway = new Running(['proxy', '--name', 'edge', '--shards', '2', '--access-log', 'off'], { home });
    await gateway.ready;
  });
  after(async () => {
    await gateway?.stop();
    await up?.stop();
    remove();
  });

  test('returns when every proxy runs the change, and says how long it took them', async () => {
    const { code, out } = await apply(service('reviews'));
    assert.equal(code, 0);
    assert.match(out, /^revision \d+: 1\/1 proxies, p50 [\d.]+ ms, max [\d.]+ ms$/m);
    const { out: json } = await apply(service('ratings'), '--json');
    const { revision, changes, rollout } = JSON.parse(json);
    assert.equal(rollout.revision, revision);
    assert.deepEqual([rollout.expected, rollout.acked, rollout.missing, rollout.done], [1, 1, [], true]);
    assert.deepEqual(changes, [{ key: 'Service/default/ratings', change: 'created' }]);
    assert.match((await mesh(['ps', 'edge'], { home })).out, /^State: +SYNCED$/m);
  });

  test('a change that a proxy refuses exits with 3, naming the proxy, the place in the file and the reason; the next one is fine', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const refused = await apply(gatewayOn(port));
    assert.equal(refused.code, 3);
    assert.match(refused.err, /^stdin:7:23 \/spec\/servers\/0\/port\/number: Gateway port \d+: /m);
    assert.match(refused.err, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
    assert.match(refused.err, /^mesh: revision \d+ was refused by edge\.istio-system$/m);
    assert.match((await mesh(['ps'], { home })).out, /^edge\.istio-system +NACK /m);
    taken.close();
    await once(taken, 'close');
    assert.equal((await mesh(['delete', 'gateway', 'edge', '--wait'], { home })).code, 0);
  });

  test('a proxy that does not answer in time is named, with exit code 4', async () => {
    gateway.child.kill('SIGSTOP');
    try {
      const { code, out, err } = await apply(service('details'), '--timeout', '400ms');
      assert.equal(code, 4);
      assert.match(out, /^revision \d+: 0\/1 proxies$/m);
      assert.match(err, /^mesh: no answer within 0\.4 s from edge\.istio-system\n$/m);
    } finally {
      gateway.child.kill('SIGCONT');
    }
    assert.equal((await apply(service('productpage'))).code, 0);
  });
});

const service = (name: string) => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  ports: [{ name: http, port: 9080 }]
`;

const gatewayOn = (port: number) => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: ${port}, name: http, protocol: HTTP }
      hosts: ['*']
`;
