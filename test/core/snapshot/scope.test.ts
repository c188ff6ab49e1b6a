// What a proxy imports of the mesh: Sidecars and exportTo, as Istio reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../../core/workload.ts';
import { clusterNames, compilerFor, node, resources, workload } from './rig.ts';

const yaml = (kind: string, place: string, spec: object, annotations: Record<string, string> = {}): string => {
  const [namespace, name] = place.split('/');
  const apiVersion = kind === 'Service' ? 'v1' : 'networking.istio.io/v1';
  return JSON.stringify({ apiVersion, kind, metadata: { namespace, name, annotations }, spec });
};
const service = (place: string, exportTo?: string, ports = [80]): string =>
  yaml(
    'Service',
    place,
    { ports: ports.map((port) => ({ name: `http-${port}`, port })) },
    exportTo === undefined ? {} : { 'networking.istio.io/exportTo': exportTo },
  );
const entry = (place: string, host: string, exportTo?: string[]): string =>
  yaml('ServiceEntry', place, {
    hosts: [host],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS',
    ...(exportTo && { exportTo }),
  });
const rule = (place: string, host: string, to: string, exportTo?: string[]): string =>
  yaml('VirtualService', place, {
    hosts: [host],
    http: [{ name: place, route: [{ destination: { host: to } }] }],
    ...(exportTo && { exportTo }),
  });
const sidecar = (place: string, spec: object | string[]): string =>
  yaml('Sidecar', place, Array.isArray(spec) ? { egress: [{ hosts: spec }] } : spec);

/** a, b and c of 'default', d of 'shop', and what others have outside. */
const MESH = [
  ...['default/a', 'default/b', 'default/c', 'shop/d', 'other/hidden'].map((place) =>
    service(place, place === 'other/hidden' ? '.' : undefined),
  ),
  entry('shop/out', 'api.example'),
];

/** Hosts that a proxy has clusters of: short names for the mesh's services. */
function imported(texts: readonly string[], of: Node = node('sidecar', { app: 'web' })): string[] {
  const { snapshot } = compilerFor(of).compile({ resources: resources(...MESH, ...texts), endpoints: [] }, 1);
  const clusters = [...snapshot.clusters.values()].filter(({ spec }) => spec.kind === 'outbound');
  const names = clusters.map(({ spec }) => spec.service.replace('.svc.cluster.local', '').replace('.default', ''));
  return [...new Set(names)].sort();
}

const ALL = ['a', 'api.example', 'b', 'c', 'd.shop'];
const A = 'default/a.default.svc.cluster.local';
const CASES: readonly (readonly [what: string, texts: readonly string[], expected: readonly string[]])[] = [
  ['without a Sidecar all that is exported', [], ALL],
  ['every host', [sidecar('default/one', ['*/*'])], ALL],
  ['its own namespace', [sidecar('default/one', ['./*'])], ['a', 'b', 'c']],
  ['another namespace', [sidecar('default/one', ['shop/*'])], ['api.example', 'd.shop']],
  ['a host of a namespace', [sidecar('default/one', [A])], ['a']],
  ['a host of another namespace that is not of it', [sidecar('default/one', ['shop/a.default.svc.cluster.local'])], []],
  ['a host wherever it is', [sidecar('default/one', ['*/api.example'])], ['api.example']],
  ['a wildcard', [sidecar('default/one', ['*/*.shop.svc.cluster.local'])], ['d.shop']],
  ['a host in capital letters', [sidecar('default/one', ['*/API.example'])], ['api.example']],
  ['nothing', [sidecar('default/one', ['~/*'])], []],
  ['what is not exported is not imported', [sidecar('default/one', ['other/*', './*'])], ['a', 'b', 'c']],
  ['a Sidecar without egress', [sidecar('default/one', { outboundTrafficPolicy: { mode: 'ALLOW_ANY' } })], ALL],
  [
    'the root namespace speaks for all, of their own namespace',
    [sidecar('istio-system/all', ['./*'])],
    ['a', 'b', 'c'],
  ],
  [
    'its namespace goes before the root',
    [sidecar('istio-system/all', ['./*']), sidecar('default/one', ['shop/*'])],
    ['api.example', 'd.shop'],
  ],
  ["another namespace's is not for it", [sidecar('shop/one', ['~/*'])], ALL],
  [
    'one that selects it goes before the namespace',
    [
      sidecar('default/a', ['~/*']),
      sidecar('default/b', { workloadSelector: { labels: { app: 'web' } }, egress: [{ hosts: ['shop/*'] }] }),
    ],
    ['api.example', 'd.shop'],
  ],
  [
    'one that selects others is not for it',
    [sidecar('default/b', { workloadSelector: { labels: { app: 'db' } }, egress: [{ hosts: ['~/*'] }] })],
    ALL,
  ],
  [
    "the root's selectors are for its own namespace",
    [sidecar('istio-system/b', { workloadSelector: { labels: { app: 'web' } }, egress: [{ hosts: ['~/*'] }] })],
    ALL,
  ],
  [
    'where an imported rule leads is imported, too',
    [sidecar('default/one', [A]), rule('default/a', 'a', 'd.shop.svc.cluster.local')],
    ['d.shop'],
  ],
  [
    'a rule by the short name of another namespace, too',
    [sidecar('default/one', [A]), rule('default/a', 'a', 'd.shop')],
    ['d.shop'],
  ],
  [
    'where a rule leads that is not imported is not',
    [sidecar('default/one', [A]), rule('default/b', 'b', 'd.shop.svc.cluster.local')],
    ['a'],
  ],
  [
    "a rule of a namespace that is not named is none, also for one's host",
    [sidecar('default/one', ['./*']), rule('shop/a', 'a.default.svc.cluster.local', 'd')],
    ['a', 'b', 'c'],
  ],
  ['a rule that is not exported is none', [rule('shop/a', 'a.default.svc.cluster.local', 'd', ['.'])], ALL],
  [
    'a listener of a port is for services of that port',
    [
      sidecar('default/one', {
        egress: [{ port: { number: 9080, protocol: 'HTTP', name: 'http' }, hosts: ['*/*'] }, { hosts: ['./*'] }],
      }),
      service('shop/e', undefined, [80, 9080]),
    ],
    ['a', 'b', 'c', 'e.shop'],
  ],
  [
    "a listener for a proxy's clients is for all ports",
    [
      sidecar('default/one', {
        egress: [{ port: { number: 3128, protocol: 'HTTP_PROXY', name: 'p' }, hosts: ['shop/*'] }],
      }),
    ],
    ['api.example', 'd.shop'],
  ],
];

for (const [what, texts, expected] of CASES) {
  test(`a sidecar imports: ${what}`, () => {
    assert.deepEqual(imported(texts), expected);
  });
}

test('exportTo of Services and ServiceEntries names namespaces, its own, all or none', () => {
  for (const [exportTo, seen] of [
    ['*', true],
    ['default', true],
    ['shop, default', true],
    ['.', false],
    ['~', false],
    ['other', false],
  ] as const) {
    assert.equal(imported([service('shop/x', exportTo)]).includes('x.shop'), seen, exportTo);
    const entries = [entry('shop/x', 'x.example', exportTo.split(', '))];
    assert.equal(imported(entries).includes('x.example'), seen, exportTo);
  }
});

test('a gateway has all hosts, whatever Sidecars say', () => {
  const of: Node = { ...node('gateway', { app: 'web' }), outbound: true };
  assert.deepEqual(imported([sidecar('default/one', ['~/*']), sidecar('istio-system/all', ['~/*'])], of), ALL);
});

test('of a listener for a port the others are left out, and so are the rules of its hosts', () => {
  const egress = [
    { port: { number: 9080, protocol: 'HTTP', name: 'http' }, hosts: ['shop/*'] },
    { hosts: ['default/*'] },
  ];
  const texts = [
    sidecar('default/one', { egress }),
    service('shop/e', undefined, [80, 9080]),
    service('default/f', undefined, [80, 9080]),
    rule('default/e', 'e.shop.svc.cluster.local', 'a'),
  ];
  const { snapshot } = compilerFor(node('sidecar')).compile({ resources: resources(...texts), endpoints: [] }, 1);
  assert.deepEqual(clusterNames(snapshot.outbound.find('e.shop:9080')!), ['outbound|9080||e.shop.svc.cluster.local']);
  assert.equal(snapshot.outbound.find('f:9080'), null);
  assert.deepEqual(clusterNames(snapshot.outbound.find('f:80')!), ['outbound|80||f.default.svc.cluster.local']);
});

test('what comes and goes with a Sidecar is what one that was always there leaves in', () => {
  const compiler = compilerFor(node('sidecar'));
  const names = (texts: readonly string[], revision: number): string[] => {
    const mesh = { resources: resources(...MESH, ...texts), endpoints: [workload('joined', 'v1', '127.0.1.1')] };
    return [...compiler.compile(mesh, revision).snapshot.clusters.keys()].filter((name) => name.startsWith('outbound'));
  };
  assert.equal(names([], 1).length, 7);
  assert.deepEqual(names([sidecar('default/one', [A])], 2), ['outbound|80||a.default.svc.cluster.local']);
  const joined = sidecar('default/one', ['./joined.default.svc.cluster.local']);
  assert.equal(names([joined], 3).length, 2);
  const leads = rule('default/joined', 'joined', 'd.shop');
  assert.deepEqual(names([joined, leads], 4), ['outbound|80||d.shop.svc.cluster.local']);
  assert.equal(names([], 5).length, 7);
});

test('a service that is there and not imported is known to be, by each name that a client may use', () => {
  const compiler = compilerFor(node('sidecar'));
  const texts = [...MESH, sidecar('default/one', [A]), service('default/f', undefined, [80, 9080])];
  compiler.compile({ resources: resources(...texts), endpoints: [] }, 1);
  for (const name of ['b', 'b.default', 'd.shop', 'd.shop.svc.cluster.local', 'hidden.other']) {
    assert.equal(compiler.hides(name, 80), true, name);
  }
  for (const name of ['a', 'd', 'api.example', 'elsewhere.example'])
    assert.equal(compiler.hides(name, 80), false, name);
});

test('what a Sidecar says of unknown hosts counts for its proxies, and its first mode where it says none', () => {
  const policyOf = (...texts: string[]): unknown =>
    compilerFor(node('sidecar')).compile({ resources: resources(...texts), endpoints: [] }, 1).snapshot.outboundPolicy;
  assert.equal(policyOf(), null);
  assert.equal(policyOf(sidecar('default/one', ['./*'])), null);
  for (const mode of ['ALLOW_ANY', 'REGISTRY_ONLY']) {
    assert.equal(policyOf(sidecar('default/one', { outboundTrafficPolicy: { mode } })), mode);
  }
  assert.equal(policyOf(sidecar('default/one', { outboundTrafficPolicy: {} })), 'REGISTRY_ONLY');
});
