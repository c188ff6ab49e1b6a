// For which proxies a state is tried: whom selectors, targets and namespaces name, and who is there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '../../../core/config/resource.ts';
import { dryRun } from '../../../core/snapshot/dry-run.ts';
import { nodeKinds } from '../../../core/snapshot/node-kinds.ts';
import type { Node } from '../../../core/workload.ts';
import { resources } from './rig.ts';

/** Longer than a filter's configuration can hold. */
const LONG = `/${'x'.repeat(70_000)}`;

function policy(name: string, namespace: string, where: object, path = LONG): string {
  return JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace },
    spec: { ...where, rules: [{ to: [{ operation: { paths: [path] } }] }] },
  });
}

const selects = (labels: object): object => ({ selector: { matchLabels: labels } });

const about = ([problem, ...rest]: Problem[]) => {
  assert.deepEqual(rest, []);
  return [problem.severity, problem.resource, problem.pointer];
};

test('a policy with a selector, of another namespace or for a target is compiled for whom it is for', () => {
  const gateway = { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }] };
  const classOf = { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'weft' }] };
  const service = { targetRefs: [{ kind: 'Service', name: 'cart' }] };
  for (const [namespace, where] of [
    ['default', selects({ app: 'cart' })],
    ['shop', {}],
    ['shop', selects({ app: 'cart', version: 'v2' })],
    ['istio-system', selects({ istio: 'ingressgateway' })],
    ['shop', gateway],
    ['istio-system', classOf],
    ['shop', service],
  ] as const) {
    const fine = policy('fine', namespace, selects({ app: 'other' }), '/');
    const problems = dryRun(resources(fine, policy('long', namespace, where)));
    const expected = ['error', `AuthorizationPolicy/${namespace}/long`, '/spec'];
    assert.deepEqual(about(problems), expected, JSON.stringify([namespace, where]));
    assert.match(problems[0].message, /^it cannot be compiled for (sidecar|gateway)s of the namespace .*too many/);
  }
});

test('selectors that exclude each other are all tried', () => {
  const many = Array.from({ length: 9 }, (_, i) => policy(`p${i}`, 'shop', selects({ app: `a${i}` }), '/'));
  for (const at of [0, 4, 8]) {
    const state = many.with(at, policy(`p${at}`, 'shop', selects({ app: `a${at}` })));
    assert.deepEqual(about(dryRun(resources(...state))), ['error', `AuthorizationPolicy/shop/p${at}`, '/spec']);
  }
});

test('what is wrong only together is looked for in each alone, and proxies that there are count once a kind', () => {
  const state = resources(
    policy('one', 'shop', selects({ app: 'cart' }), '/'),
    policy('two', 'shop', selects({ tier: 'back' }), '/'),
  );
  const cart: Node = {
    id: 'cart-1',
    name: 'cart-1',
    workload: 'cart',
    namespace: 'shop',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    labels: { app: 'cart', tier: 'front', pod: '1' },
    role: 'sidecar',
    address: '',
    app: { address: '127.0.0.1', port: 1 },
    services: ['cart'],
  };
  const another = { ...cart, id: 'cart-2', labels: { ...cart.labels, pod: '2' } };
  const kinds = nodeKinds(state, [cart, another, { ...cart, labels: {} }], new Set());
  const shown = kinds.map(({ node, alone }) => [
    node.role,
    node.namespace,
    node.labels,
    alone.map(({ labels }) => labels),
  ]);
  const alone = [{ app: 'cart' }, { tier: 'back' }];
  assert.deepEqual(shown, [
    ['sidecar', 'default', {}, []],
    ['gateway', 'default', {}, []],
    ['sidecar', 'shop', {}, []],
    ['gateway', 'shop', {}, []],
    ['sidecar', 'shop', { app: 'cart', tier: 'back' }, alone],
    ['gateway', 'shop', { app: 'cart', tier: 'back' }, alone],
    ['sidecar', 'shop', another.labels, []],
    ['sidecar', 'shop', {}, []],
  ]);
});

test('in a large state what changed is tried first', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => policy(`p${i}`, 'shop', selects({ app: `a${i}` }), '/'));
  const state = resources(...many, policy('long', 'shop', selects({ app: 'last' })));
  const changed = new Set(['AuthorizationPolicy/shop/long']);
  assert.deepEqual(about(dryRun(state, { changed })), ['error', 'AuthorizationPolicy/shop/long', '/spec']);
});
