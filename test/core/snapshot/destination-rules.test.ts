import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../../core/cluster/cluster.ts';
import type { Node } from '../../../core/workload.ts';
import { compilerFor, node, resources, workload } from './rig.ts';

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: c}
spec: {selector: {app: c}, ports: [{name: http, port: 9080}]}
`;

/** A DestinationRule; `limit` is the maxConnections of its policy. */
function rule(where: string, host: string, limit: number, more = ''): string {
  const [namespace, name] = where.split('/');
  const policy = limit === 0 ? '' : `trafficPolicy: {connectionPool: {tcp: {maxConnections: ${limit}}}}, `;
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${policy}host: '${host}'${more}}
`;
}

const subset = (name: string, version: string): string => `{name: ${name}, labels: {version: ${version}}}`;
const subsets = (...given: string[]): string => `, subsets: [${given.join(', ')}]`;

function routeTo(...names: string[]): string {
  const routes = names.map(
    (name) => `{match: [{uri: {prefix: /${name}}}], route: [{destination: {host: c, subset: ${name}}}]}`,
  );
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: c}
spec: {hosts: [c], http: [${routes.join(', ')}]}
`;
}

const endpoints = [workload('c', 'v1', '127.0.1.1'), workload('c', 'v2', '127.0.1.2')];

function clusters(of: Node, ...texts: string[]): ReadonlyMap<string, Cluster> {
  return compilerFor(of).compile({ resources: resources(SERVICE, ...texts), endpoints }, 1).snapshot.clusters;
}

function limitOf(of: Node, ...texts: string[]): number {
  return clusters(of, ...texts).get('outbound|9080||c.default.svc.cluster.local')!.policy.maxConnections;
}

const HOST = 'c.default.svc.cluster.local';
const UNSHAPED = limitOf(node('sidecar'));

test('subsets of all rules for one host count, and the policy of the first rule that has one', () => {
  const found = clusters(
    node('sidecar'),
    rule('default/one', 'c', 0, subsets(subset('s1', 'v1'))),
    rule('default/three', HOST, 3, subsets(subset('s1', 'v2'), subset('s3', 'v2'))),
    rule('default/two', 'c', 2, subsets(subset('s2', 'v2'))),
    routeTo('s1', 's2', 's3'),
  );
  const seen = ['s1', 's2', 's3'].map((name) => {
    const { endpoints: members, policy } = found.get(`outbound|9080|${name}|${HOST}`)!;
    return [members.map(({ address }) => address).join(), policy.maxConnections];
  });
  assert.deepEqual(seen, [
    ['127.0.1.1', 3],
    ['127.0.1.2', 3],
    ['127.0.1.2', 3],
  ]);
});

test('a rule is looked for in the namespace of the caller, then of the service, then in the root namespace, and nowhere else', () => {
  const elsewhere = rule('aaa/c', HOST, 1);
  const root = rule('istio-system/c', HOST, 2);
  const own = rule('default/own', HOST, 3);
  const caller = rule('shop/c', HOST, 4);
  const shop = node('sidecar', {}, 'shop');
  assert.equal(limitOf(shop, elsewhere), UNSHAPED);
  assert.equal(limitOf(shop, elsewhere, root), 2);
  assert.equal(limitOf(shop, elsewhere, root, own), 3);
  assert.equal(limitOf(shop, elsewhere, root, own, caller), 4);
  assert.equal(limitOf(node('sidecar'), elsewhere, root, own, caller), 3);
  assert.equal(limitOf(node('gateway', {}, 'istio-system'), root, own, GATEWAY), 3);
});

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec: {servers: [{port: {number: 8080, protocol: HTTP, name: http}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: ['*'], gateways: [istio-system/edge], http: [{route: [{destination: {host: c}}]}]}
`;

test('a rule that is not exported to a namespace is none for its callers', () => {
  const shop = node('sidecar', {}, 'shop');
  assert.equal(limitOf(shop, rule('default/own', HOST, 3, ", exportTo: ['.']")), UNSHAPED);
  assert.equal(limitOf(node('sidecar'), rule('default/own', HOST, 3, ", exportTo: ['.']")), 3);
  assert.equal(limitOf(shop, rule('default/own', HOST, 3, ', exportTo: [bank]')), UNSHAPED);
  assert.equal(limitOf(shop, rule('default/own', HOST, 3, ', exportTo: [bank, shop]')), 3);
  assert.equal(limitOf(shop, rule('shop/c', HOST, 3, ', exportTo: [bank]'), rule('default/c', HOST, 2)), 2);
  assert.equal(limitOf(shop, rule('istio-system/c', HOST, 3, ", exportTo: ['.']")), UNSHAPED);
});

test('the most specific host that covers a service wins in a namespace, and the namespace before it', () => {
  const all = rule('default/all', '*', 1);
  const wide = rule('default/wide', '*.svc.cluster.local', 2);
  const narrow = rule('default/narrow', '*.Default.svc.cluster.local', 3);
  const exact = rule('default/z-exact', 'C.default.svc.cluster.local', 4);
  assert.equal(limitOf(node('sidecar'), all), 1);
  assert.equal(limitOf(node('sidecar'), all, wide), 2);
  assert.equal(limitOf(node('sidecar'), narrow, all, wide), 3);
  assert.equal(limitOf(node('sidecar'), narrow, all, wide, exact), 4);
  assert.equal(limitOf(node('sidecar', {}, 'shop'), exact, rule('shop/c', '*.cluster.local', 5)), 5);
  assert.equal(limitOf(node('sidecar'), rule('default/other', '*.example.com', 6)), UNSHAPED);
});

test('a rule that selects its callers is for those of its own namespace, and goes before the others', () => {
  const selecting = rule('default/b', HOST, 7, ', workloadSelector: {matchLabels: {app: web}}');
  const general = rule('default/a', HOST, 3);
  assert.equal(limitOf(node('sidecar', { app: 'web' }), general, selecting), 7);
  assert.equal(limitOf(node('sidecar', { app: 'other' }), general, selecting), 3);
  assert.equal(limitOf(node('sidecar', { app: 'web' }, 'shop'), selecting), UNSHAPED);
});
