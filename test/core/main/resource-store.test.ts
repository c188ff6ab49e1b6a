import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError } from '../../../core/config/problem.ts';
import type { Resource } from '../../../core/config/resource.ts';
import { ResourceStore } from '../../../core/main/resource-store.ts';
import type { Node, WorkloadEndpoint } from '../../../core/workload.ts';
import { CALLED, described, FOUND, WORKLOADS } from '../../fuzz/history.ts';
import { KINDS, pick, resourceText, seeded } from '../../fuzz/history-resources.ts';
import { compilerFor, node, resources, workload } from '../snapshot/rig.ts';

const NODES: readonly Node[] = [
  node('sidecar', { app: 'web' }),
  { ...node('sidecar', { app: 'a' }, 'shop'), services: ['b'] },
  node('gateway', { istio: 'ingressgateway' }, 'istio-system'),
];
/** More often Sidecars, and what they leave out. */
const OFTEN = [...KINDS, ...Array.from({ length: 6 }, () => 'Sidecar'), 'VirtualService', 'DestinationRule'];

/** By labels alone. */
const SELECTED = ['default', 'shop'].flatMap((namespace, i) =>
  ['a', 'b', 'web'].map((app, j) => {
    return { ...workload(app, 'v1', `192.0.2.${50 + 10 * i + j}`), namespace, services: [], appPort: 8080 };
  }),
);

const wire = (resource: Resource): unknown => JSON.parse(JSON.stringify(resource));

test('what a proxy leaves out changes nothing of what it compiles, whatever came and went', () => {
  let [left, untold] = [0, 0];
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed);
    const of = pick(random, NODES);
    const store = new ResourceStore(of);
    const state = new Map<string, Resource>();
    for (let step = 1; step <= 25; step++) {
      if (random() < 0.3 && state.size > 0) {
        const key = pick(random, [...state.keys()]);
        state.delete(key);
        store.change([], [key]);
      } else {
        const [[key, resource]] = resources(resourceText(random, pick(random, OFTEN)));
        state.set(key, resource);
        if (random() < 0.1) store.replace([...state].map(([each, value]) => [each, wire(value)] as const));
        else store.change([{ key, body: wire(resource) }], []);
      }
      const { resources: kept, problems, imported } = store.usable();
      assert.deepEqual(problems.filter(isError), []);
      left += state.size - kept.size;
      if (step % 4 > 0) continue;
      const endpoints = [...WORKLOADS, ...SELECTED, ...serving(state)].filter(() => random() < 0.8);
      const told = endpoints.filter((endpoint) => imported?.takes(endpoint) !== false);
      untold += endpoints.length - told.length;
      assert.deepEqual(mesh(of, kept, told), mesh(of, state, endpoints), `seed ${seed}, step ${step}`);
      const bodies = store
        .bodies()()
        .map(({ key, body }) => [key, body]);
      assert.deepEqual(
        Object.fromEntries(bodies),
        Object.fromEntries([...state].map(([key, value]) => [key, wire(value)])),
      );
    }
  }
  assert.ok(left > 100, `${left} were left out in all`);
  assert.ok(untold > 20, `shards were not told of ${untold} endpoints in all`);
});

/** A workload for each Service, by its name. */
function serving(state: ReadonlyMap<string, Resource>): WorkloadEndpoint[] {
  const services = [...state.values()].filter(({ kind }) => kind === 'Service');
  return services.map(({ metadata: { name, namespace } }, i) => {
    return { ...workload(name, `v${i}`, `192.0.2.${100 + i}`), namespace };
  });
}

/** Of a proxy that knows this: what requests meet, what filters may call, and which services are there for others only. */
function mesh(of: Node, known: ReadonlyMap<string, Resource>, endpoints: readonly WorkloadEndpoint[]): unknown {
  const compiler = compilerFor(of);
  const compiled = described(compiler.compile({ resources: known, endpoints }, 1));
  const called = CALLED.map((name) => compiler.upstream(name)?.endpoints.map(({ key }) => key));
  const hidden = FOUND.map((authority) => authority.split(':')).map(([name, port = '80']) =>
    compiler.hides(name, Number(port)),
  );
  return { compiled, called, hidden };
}

test('what stays as it was is the same object, and what is let in later is there', () => {
  const store = new ResourceStore(node('sidecar'));
  const [sidecar, own, other, shape] = [
    { kind: 'Sidecar', metadata: { name: 'one' }, spec: { egress: [{ hosts: ['./a.default.svc.cluster.local'] }] } },
    {
      kind: 'VirtualService',
      metadata: { name: 'a' },
      spec: { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] },
    },
    {
      kind: 'VirtualService',
      metadata: { name: 'b' },
      spec: { hosts: ['b'], http: [{ route: [{ destination: { host: 'b' } }] }] },
    },
    { kind: 'DestinationRule', metadata: { name: 'b' }, spec: { host: 'b' } },
  ].map((each) => JSON.stringify({ apiVersion: 'networking.istio.io/v1', ...each }));
  const bodiesOf = (...texts: string[]) => [...resources(...texts)].map(([key, body]) => ({ key, body: wire(body) }));
  const keys = (): string[] => [...store.usable().resources.keys()].sort();
  const [S, A, B, D] = [
    'Sidecar/default/one',
    'VirtualService/default/a',
    'VirtualService/default/b',
    'DestinationRule/default/b',
  ];
  store.replace(bodiesOf(sidecar, own, other, shape).map(({ key, body }) => [key, body] as const));
  assert.deepEqual(keys(), [S, A].sort());
  const before = store.usable().resources.get(A);
  store.change([], [S]);
  assert.deepEqual(keys(), [A, B, D].sort());
  assert.equal(store.usable().resources.get(A), before);
  store.change(bodiesOf(sidecar), []);
  assert.deepEqual(keys(), [S, A].sort());
  // Where an imported rule leads may be called, and what shapes it counts.
  store.change(bodiesOf(own.replace('"destination":{"host":"a"}', '"destination":{"host":"b"}')), []);
  assert.deepEqual(keys(), [S, A, D].sort());
  store.replace([]);
  assert.deepEqual(keys(), []);
});
