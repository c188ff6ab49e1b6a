import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownEndpoints, readEndpoints, readServed } from '../../../core/main/endpoints.ts';
import { GATEWAY } from './harness.ts';

const node = { ...GATEWAY, address: '127.9.8.7', labels: { app: 'edge', istio: 'egressgateway' } };
const listener = { name: 'a', kind: 'gateway' as const, address: '127.0.0.1', port: 18080, configuredPort: 80 };

test('a gateway says who dials from its address, and where requests for it arrive', () => {
  const everywhere = { ...listener, address: '0.0.0.0', port: 18081, configuredPort: 81 };
  const outbound = { ...listener, kind: 'outbound' as const };
  const own = ownEndpoints(node, null, [listener, everywhere, outbound]);
  assert.deepEqual(
    own.map(({ address, port, appPort, gateway = false }) => [address, port, appPort, gateway]),
    [
      ['127.9.8.7', 0, -1, false],
      ['127.0.0.1', 18080, 80, true],
      ['127.9.8.7', 18081, 81, true],
    ],
  );
  for (const { labels, services } of own) assert.deepEqual([labels, services], [node.labels, []]);
  assert.deepEqual(readEndpoints(JSON.parse(JSON.stringify(own))), own);
});

test('without an address of its own a gateway is nobody who dials', () => {
  assert.deepEqual(ownEndpoints({ ...node, address: '' }, null), []);
});

test('an endpoint that says more of itself than endpoints may is none', () => {
  const [, own] = ownEndpoints(node, null, [listener]);
  assert.equal(readEndpoints([{ ...own, only: ['api'] }]).length, 1);
  assert.deepEqual(
    readEndpoints([
      { ...own, ports: { http: 1 } },
      { ...own, gateway: 'yes' },
      { ...own, only: 'api' },
      { ...own, only: [7] },
    ]),
    [],
  );
});

test('where a proxy is asked is an address of HTTP with a port, whatever else it says', () => {
  for (const [admin, read] of [
    ['http://127.1.0.5:15000', '127.1.0.5:15000'],
    ['http://[::1]:15000/', '[::1]:15000'],
    ['http://node-1.example:80', 'node-1.example:80'],
    ['', null],
    ['http://127.0.0.1', null],
    ['http://127.0.0.1:0', null],
    ['http://127.0.0.1:70000', null],
    ['http://user@127.0.0.1:15000', null],
    ['http://127.0.0.1:15000/quit?', null],
    [15000, null],
  ]) {
    assert.deepEqual(readServed({ endpoints: [], admin }), { endpoints: [], admin: read }, String(admin));
  }
});

test('a label that is no text makes an endpoint none', () => {
  const [, own] = ownEndpoints(node, null, [listener]);
  assert.deepEqual(readEndpoints([{ ...own, labels: { app: 'edge', version: 1 } }]), []);
});
