import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OnePeer, Peers } from '../../../core/transport/peers.ts';
import type { WorkloadEndpoint } from '../../../core/workload.ts';

function endpoint(address: string, name: string): WorkloadEndpoint {
  return {
    id: name,
    name,
    workload: name,
    namespace: 'shop',
    serviceAccount: name,
    trustDomain: 'cluster.local',
    labels: {},
    services: [name],
    address,
    port: 9080,
    appPort: 9080,
    weight: 1,
    locality: '',
  };
}

test('the peer of a connection is whose own loopback address it comes from, as the registry has it at the time', () => {
  const peers = new Peers();
  const early = peers.at('127.1.0.2');
  assert.deepEqual([early.workload, early.principal], [null, '']);
  const cart = endpoint('127.1.0.2', 'cart');
  peers.learn('a', [cart]);
  peers.learn('b', [endpoint('127.1.0.3', 'orders')]);
  assert.deepEqual([early.workload, early.principal], [cart, 'cluster.local/ns/shop/sa/cart']);
  assert.equal(peers.at('127.1.0.3').principal, 'cluster.local/ns/shop/sa/orders');
  peers.learn('a', [endpoint('127.1.0.2', 'billing')]);
  assert.equal(early.principal, 'cluster.local/ns/shop/sa/billing');
  peers.learn('a', []);
  assert.deepEqual([early.principal, early.workload], ['', null]);
});

test('of several that claim an address the first by name has it, whoever came first', () => {
  const peers = new Peers();
  const early = peers.at('127.1.0.2');
  peers.learn('b', [endpoint('127.1.0.2', 'orders')]);
  assert.equal(early.principal, 'cluster.local/ns/shop/sa/orders');
  peers.learn('a', [endpoint('127.1.0.2', 'cart')]);
  peers.learn('b', [endpoint('127.1.0.2', 'orders')]);
  assert.equal(early.principal, 'cluster.local/ns/shop/sa/cart');
  peers.learn('a', []);
  assert.equal(early.principal, 'cluster.local/ns/shop/sa/orders');
});

test('an address that everybody has, or that is of another machine, proves nothing', () => {
  const peers = new Peers();
  peers.learn('a', [endpoint('127.0.0.1', 'local'), endpoint('10.0.0.7', 'remote')]);
  for (const address of ['127.0.0.1', '10.0.0.7', '']) assert.equal(peers.at(address).workload, null, address);
});

test('where only one workload can be, it is the peer of every connection', () => {
  const own = endpoint('', 'own');
  const peer = new OnePeer(own).at();
  assert.deepEqual([peer.workload, peer.principal], [own, 'cluster.local/ns/shop/sa/own']);
});
