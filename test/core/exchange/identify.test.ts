import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { identify } from '../../../core/exchange/identify.ts';
import { Head } from '../../../core/http/head.ts';
import { Peers } from '../../../core/transport/peers.ts';
import type { Workload } from '../../../core/workload.ts';

/** The source of an inbound request from an address that nobody has. */
function sourceOf(nodeId: string): Workload | null {
  const exchange = {
    requestHead: Head.request('GET', 'a', '/', [['x-envoy-peer-metadata-id', nodeId]]),
    connection: { tls: null, peer: new Peers().at('127.0.0.1') },
    snapshot: { clientCert: 'APPEND_FORWARD' },
    direction: 'inbound',
    source: null as Workload | null,
    sourcePrincipal: 'unset',
  };
  identify(exchange as unknown as Exchange);
  assert.equal(exchange.sourcePrincipal, '');
  return exchange.source;
}

test('who is known by hearsay only has labels and no principal, and is the same object for every request', () => {
  const first = sourceOf('sidecar~127.0.0.1~reviews-v1.shop~shop.svc.cluster.local');
  assert.deepEqual([first?.workload, first?.namespace, first?.serviceAccount], ['reviews-v1', 'shop', '']);
  assert.equal(sourceOf('sidecar~127.0.0.1~reviews-v1.shop~shop.svc.cluster.local'), first);
  assert.notEqual(sourceOf('sidecar~127.0.0.1~reviews-v2.shop~shop.svc.cluster.local'), first);
});

test('callers that claim ever new names, or endless ones, are not remembered for ever', () => {
  const first = sourceOf('sidecar~a~first.shop~d');
  for (let i = 0; i < 2000; i++) sourceOf(`sidecar~a~caller-${i}.shop~d`);
  assert.notEqual(sourceOf('sidecar~a~first.shop~d'), first);
  assert.equal(sourceOf(`sidecar~${'a'.repeat(600)}~first.shop~d`), null);
  assert.equal(sourceOf('nonsense'), null);
});
