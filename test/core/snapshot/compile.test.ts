import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dryRun } from '../../../core/snapshot/dry-run.ts';
import { clusterNames, compilerFor, node, resources, workload } from './rig.ts';

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
`;
const rule = (subset: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews, subset: ${subset}}}]
`;
const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`;

const ROUND_ROBIN = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
`;
const NAMED = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: up}
spec:
  hosts: [up.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints: [{address: a.example}, {address: b.example, weight: 2}]
`;

const reviews = [workload('reviews', 'v1', '127.0.1.1'), workload('reviews', 'v2', '127.0.1.2')];

test('a service without rules has a route to all of its endpoints', () => {
  const compiler = compilerFor(node('sidecar'));
  const { snapshot } = compiler.compile({ resources: resources(SERVICE), endpoints: reviews }, 1);
  const host = snapshot.outbound.find('reviews:9080')!;
  assert.deepEqual(clusterNames(host), ['outbound|9080||reviews.default.svc.cluster.local']);
  const cluster = snapshot.clusters.get('outbound|9080||reviews.default.svc.cluster.local')!;
  assert.deepEqual(
    cluster.endpoints.map(({ key }) => key),
    ['127.0.1.1:15006', '127.0.1.2:15006'],
  );
});

test('workloads get requests by their weights, and so do the addresses of names', () => {
  const compiler = compilerFor(node('sidecar'));
  const described = [
    ['one', '192.0.2.1', 1],
    ['two', '192.0.2.2', 3],
  ].map(([name, address, weight]) =>
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { name },
      spec: { address, weight, labels: { app: 'reviews' } },
    }),
  );
  const state = { resources: resources(SERVICE, ROUND_ROBIN, NAMED, ...described), endpoints: [] };
  const { snapshot } = compiler.compile(state, 1);
  const cluster = snapshot.clusters.get('outbound|9080||reviews.default.svc.cluster.local')!;
  const picks = Array.from({ length: 8 }, () => cluster.pick(null)!.address);
  assert.deepEqual(picks.toSorted(), [...Array(2).fill('192.0.2.1'), ...Array(6).fill('192.0.2.2')]);
  assert.deepEqual(snapshot.clusters.get('outbound|80||up.example')!.spec.dns, [
    { host: 'a.example', port: 80, weight: 1 },
    { host: 'b.example', port: 80, weight: 2 },
  ]);
});

test('a subset has the endpoints that carry its labels', () => {
  const compiler = compilerFor(node('sidecar'));
  const state = { resources: resources(SERVICE, SUBSETS, rule('v2')), endpoints: reviews };
  const { snapshot, problems } = compiler.compile(state, 1);
  assert.deepEqual(problems, []);
  const cluster = snapshot.clusters.get('outbound|9080|v2|reviews.default.svc.cluster.local')!;
  assert.deepEqual(
    cluster.endpoints.map(({ key }) => key),
    ['127.0.1.2:15006'],
  );
});

test('a service that nobody described is what registered under its name', () => {
  const compiler = compilerFor(node('sidecar'));
  const { snapshot } = compiler.compile({ resources: new Map(), endpoints: reviews }, 1);
  assert.equal(snapshot.outbound.find('reviews')?.name, 'reviews.default.svc.cluster.local:80');
  assert.equal(snapshot.outbound.find('reviews.default:9080')?.name, 'reviews.default.svc.cluster.local:9080');
});

test('instances that nobody described are one service on the port of a URL that names none, whichever their own ports are', () => {
  const compiler = compilerFor(node('sidecar'));
  const on = (name: string, address: string, appPort: number) => ({
    ...workload(name, 'v1', address),
    services: ['reviews'],
    appPort,
    port: address === '127.0.0.1' ? appPort : 15006,
  });
  const endpoints = [
    on('reviews-1', '127.0.1.1', 3001),
    on('reviews-2', '127.0.1.2', 3002),
    on('reviews-3', '127.0.0.1', 3003),
  ];
  const { snapshot } = compiler.compile({ resources: new Map(), endpoints }, 1);
  const keys = (authority: string): string[] | undefined => {
    const [route] = snapshot.outbound.find(authority)?.routes ?? [];
    return route?.action.type === 'forward'
      ? route.action.targets[0].cluster?.endpoints.map(({ key }) => key)
      : undefined;
  };
  assert.deepEqual(keys('reviews'), ['127.0.1.1:15006', '127.0.1.2:15006', '127.0.0.1:3003']);
  assert.deepEqual(keys('reviews.default.svc.cluster.local:80'), keys('reviews'));
  assert.deepEqual(keys('reviews:3002'), ['127.0.1.2:15006']);
  assert.equal(keys('reviews:3004'), undefined);
});

test('a rule for a subset that never was has a target without a cluster, and says which', () => {
  const compiler = compilerFor(node('sidecar'));
  const { snapshot, problems } = compiler.compile({ resources: resources(SERVICE, rule('v9')), endpoints: reviews }, 1);
  const { action } = snapshot.outbound.find('reviews:9080')!.routes[0];
  assert.equal(action.type === 'forward' && action.targets[0].cluster, null);
  assert.equal(problems.length, 1);
  assert.match(problems[0].message, /subset "v9" of host "reviews.default.svc.cluster.local" not found/);
  assert.equal(problems[0].pointer, '/spec/http/0/route/0/destination');
});

test('a route to a missing subset has no cluster, also on a proxy that ran another one before', () => {
  const compiler = compilerFor(node('sidecar'));
  compiler.compile({ resources: resources(SERVICE, SUBSETS, rule('v1')), endpoints: reviews }, 1);
  const missing = { resources: resources(SERVICE, SUBSETS, rule('v9')), endpoints: reviews };
  const later = compiler.compile(missing, 2);
  const fresh = compilerFor(node('sidecar')).compile(missing, 2);
  for (const { snapshot, problems } of [later, fresh]) {
    const [route] = snapshot.outbound.find('reviews:9080')!.routes;
    assert.ok(route.action.type === 'forward');
    assert.deepEqual(
      route.action.targets.map(({ cluster, clusterName }) => [cluster, clusterName]),
      [[null, 'outbound|9080|v9|reviews.default.svc.cluster.local']],
    );
    assert.match(problems[0].message, /subset "v9" of host .* not found$/);
  }
});

test('a changed rule makes its virtual host anew and leaves the others as they are', () => {
  const other = SERVICE.replaceAll('reviews', 'ratings');
  const compiler = compilerFor(node('sidecar'));
  const base = resources(SERVICE, SUBSETS, other, rule('v1'));
  const before = compiler.compile({ resources: base, endpoints: reviews }, 1).snapshot;
  const changed = new Map([...base, ...resources(rule('v2'))]);
  const after = compiler.compile({ resources: changed, endpoints: reviews }, 2).snapshot;
  assert.notEqual(after.outbound.find('reviews:9080'), before.outbound.find('reviews:9080'));
  assert.equal(after.outbound.find('ratings:9080'), before.outbound.find('ratings:9080'));
});

test('a change elsewhere leaves the virtual host of a rule as it is', () => {
  const other = SERVICE.replaceAll('reviews', 'ratings');
  const compiler = compilerFor(node('sidecar'));
  const base = resources(SERVICE, SUBSETS, rule('v1'));
  const before = compiler.compile({ resources: base, endpoints: reviews }, 1).snapshot;
  const after = compiler.compile({ resources: new Map([...base, ...resources(other)]), endpoints: [] }, 2).snapshot;
  assert.equal(after.outbound.find('reviews:9080'), before.outbound.find('reviews:9080'));
});

test('a changed policy changes the cluster in place, so that its connections stay', () => {
  const name = 'outbound|9080|v1|reviews.default.svc.cluster.local';
  const compiler = compilerFor(node('sidecar'));
  const base = resources(SERVICE, SUBSETS, rule('v1'));
  const before = compiler.compile({ resources: base, endpoints: reviews }, 1).snapshot.clusters.get(name)!;
  const stricter = resources(`${SUBSETS}  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}\n`);
  const after = compiler.compile({ resources: new Map([...base, ...stricter]), endpoints: reviews }, 2).snapshot;
  assert.equal(after.clusters.get(name), before);
  assert.equal(before.policy.maxConnections, 7);
});

test('a gateway carries the rules that name it, for the hosts that both allow', () => {
  const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bookinfo-gateway}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bookinfo}
spec:
  hosts: ["*"]
  gateways: [bookinfo-gateway]
  http:
  - match: [{uri: {exact: /productpage}}]
    route: [{destination: {host: reviews, port: {number: 9080}}}]
`;
  const state = { resources: resources(SERVICE, gateway), endpoints: reviews };
  const { snapshot } = compilerFor(node('gateway', { istio: 'ingressgateway' })).compile(state, 1);
  const host = snapshot.gateways.get(8080)!.find('localhost:8080')!;
  assert.deepEqual(clusterNames(host), ['outbound|9080||reviews.default.svc.cluster.local']);
  const other = compilerFor(node('gateway', { istio: 'another' })).compile(state, 1);
  assert.equal(other.snapshot.gateways.size, 0);
  assert.equal(compilerFor(node('sidecar')).compile(state, 1).snapshot.outbound.find('localhost:8080'), null);
});

test('a rule for callers with other labels is not a rule for this one', () => {
  const labelled = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{sourceLabels: {app: productpage}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]
`;
  const state = { resources: resources(SERVICE, SUBSETS, labelled), endpoints: reviews };
  const counts = [node('sidecar'), node('sidecar', { app: 'productpage' })].map(
    (of) => compilerFor(of).compile(state, 1).snapshot.outbound.find('reviews:9080')!.routes.length,
  );
  assert.deepEqual(counts, [1, 2]);
});

test('a sidecar sends everything that arrives to its application', () => {
  const { snapshot } = compilerFor(node('sidecar')).compile({ resources: new Map(), endpoints: [] }, 1);
  assert.deepEqual(clusterNames(snapshot.inbound!), ['inbound|8000||']);
});

test('a host known only by a wildcard is dialled as the client named it, unless a rule says where it goes', () => {
  const wildcard = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec: {hosts: ["*.example.com"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
`;
  const ruled = rule('v1').replace('hosts: [reviews]', 'hosts: ["*.example.com"]');
  const compiler = compilerFor(node('sidecar'));
  const plain = compiler.compile({ resources: resources(SERVICE, SUBSETS, wildcard), endpoints: [] }, 1).snapshot;
  assert.equal(plain.outbound.find('a.example.com')?.asNamed, true);
  assert.equal(plain.outbound.find('reviews:9080')?.asNamed, false);
  const state = { resources: resources(SERVICE, SUBSETS, wildcard, ruled), endpoints: [] };
  assert.equal(compiler.compile(state, 2).snapshot.outbound.find('a.example.com')?.asNamed, false);
});

test('a dry run accepts what proxies can compile', () => {
  assert.deepEqual(dryRun(resources(SERVICE, SUBSETS, rule('v1'))), []);
});

test('a filter may call any service in any of its forms, on gateways too; later snapshots keep what it called', () => {
  const services = resources(
    `apiVersion: v1
kind: Service
metadata: { name: authz }
spec: { clusterIP: 10.0.0.7, selector: { app: authz }, ports: [{ name: http, port: 9080 }] }`,
    `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec: { hosts: [web.example], ports: [{ number: 80, name: http, protocol: HTTP }, { number: 81, name: http-b, protocol: HTTP }], resolution: DNS }`,
    `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: authz }
spec: { host: authz, subsets: [{ name: v1, labels: { version: v1 } }] }`,
  );
  const compiler = compilerFor(node('gateway'));
  const endpoints = [workload('authz', 'v1', '127.0.1.1'), workload('authz', 'v2', '127.0.1.2')];
  const before = compiler.compile({ resources: services, endpoints }, 1).snapshot;
  assert.equal(before.clusters.size, 0, 'no route leads anywhere');
  const full = 'outbound|9080||authz.default.svc.cluster.local';
  for (const name of [
    full,
    'outbound|9080||authz',
    'authz',
    'authz:9080',
    'authz.default',
    'Authz.default.svc.cluster.local:9080',
    'http://authz/check?x=1',
    'http://authz.default:9080',
    '10.0.0.7',
  ]) {
    assert.equal(compiler.upstream(name)?.name, full, name);
  }
  assert.equal(compiler.upstream(full)?.endpoints.length, 2, 'populated at once');
  assert.equal(compiler.upstream('outbound|9080|v1|authz.default.svc.cluster.local')?.endpoints.length, 1);
  assert.equal(compiler.upstream('web.example')?.name, 'outbound|80||web.example');
  for (const name of [
    '',
    'nobody',
    'authz:80',
    'authz.other',
    'web.example:82',
    'https://authz/',
    'outbound|9080|v9|authz.default.svc.cluster.local',
    'inbound|9080||authz.default.svc.cluster.local',
    'outbound|9080||',
    'PassthroughCluster',
    '*.example',
    '__proto__',
  ]) {
    assert.equal(compiler.upstream(name), null, name);
  }
  assert.ok(before.clusters.has(full), 'shown by proxy-config, its endpoints are in use');
  const cluster = compiler.upstream(full);
  const next = compiler.compile({ resources: services, endpoints: endpoints.slice(1) }, 2).snapshot;
  assert.equal(next.clusters.get(full), cluster);
  assert.equal(cluster?.endpoints.length, 1);
  const gone = compiler.compile({ resources: new Map(), endpoints: [] }, 3).snapshot;
  assert.equal(gone.clusters.size, 0);
  assert.equal(compiler.upstream(full), null);
});
