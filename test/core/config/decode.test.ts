// What decoding makes of sound configuration.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { decodeFiles, decodeResource, decodeResources, decodeYaml } from '../../../core/config/decode.ts';
import { isKind } from '../../../core/config/is-kind.ts';
import { KINDS, type KindName } from '../../../core/config/kind-names.ts';
import { kindName, type Resource, resourceKey } from '../../../core/config/resource.ts';
import { EVERYTHING } from './everything.ts';
import { MESH_WIDE } from './mesh-wide.ts';

function decodeOne(text: string): Resource {
  const { resources, problems } = decodeYaml(text);
  assert.deepEqual(problems, []);
  assert.equal(resources.length, 1);
  return resources[0];
}

test('fills in the namespace, drops what a cluster adds and keeps the rest as it was written', () => {
  const resource = decodeOne(`
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata:
  name: reviews
  uid: 8b0b
  resourceVersion: "7"
  creationTimestamp: null
  labels: {team: books}
  annotations:
    note: kept
    kubectl.kubernetes.io/last-applied-configuration: '{}'
  managedFields: [{manager: kubectl}]
spec:
  hosts: [reviews]
  tls: null
  http:
  - route: [{destination: {host: reviews}}]
status: {observedGeneration: 3}
`);
  assert.deepEqual(resource, {
    apiVersion: 'networking.istio.io/v1beta1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default', labels: { team: 'books' }, annotations: { note: 'kept' } },
    spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }] }] },
  });
});

test('a decoded resource is frozen all through', () => {
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
  for (const resource of decodeYaml(EVERYTHING).resources) assert.ok(frozen(resource), resourceKey(resource));
});

test('every kind decodes, again to the same, and as TypeBox reads its schema', () => {
  const decoded = [decodeYaml(EVERYTHING, 'everything.yaml'), decodeResources(MESH_WIDE)];
  assert.deepEqual(
    decoded.flatMap(({ problems }) => problems),
    [],
  );
  const resources = decoded.flatMap((each) => each.resources);
  assert.deepEqual([...new Set(resources.map(kindName))].sort(), Object.keys(KINDS).sort());
  for (const resource of resources) {
    const again = decodeResource(JSON.parse(JSON.stringify(resource)));
    assert.deepEqual(again, { resource, problems: [] });
    assert.ok(Value.Check(KINDS[kindName(resource) as KindName].spec, resource.spec), resourceKey(resource));
  }
});

test('cluster-wide kinds have no namespace, even where one is written', () => {
  const config = decodeOne(
    'apiVersion: rbac.istio.io/v1alpha1\nkind: ClusterRbacConfig\nmetadata: {name: default, namespace: x}\nspec: {mode: ON}\n',
  );
  assert.equal(resourceKey(config), 'ClusterRbacConfig//default');
});

test('the two kinds named Gateway have keys of their own', () => {
  const text = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {servers: [{port: {number: 80, protocol: http, name: http}, hosts: [./a.com]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
`;
  const { resources, problems } = decodeYaml(text);
  assert.deepEqual(problems, []);
  assert.deepEqual(resources.map(resourceKey), ['Gateway/default/g', 'Gateway.gateway.networking.k8s.io/default/g']);
  assert.deepEqual(
    resources.map((resource) => isKind(resource, 'Gateway')),
    [true, false],
  );
});

test('snake case of old samples is taken for the field it means', () => {
  const config = decodeOne(
    'apiVersion: rbac.istio.io/v1alpha1\nkind: RbacConfig\nmetadata: {name: default}\nspec: {mode: ON, enforcement_mode: PERMISSIVE}\n',
  );
  assert.deepEqual(config.spec, { mode: 'ON', enforcementMode: 'PERMISSIVE' });
});

test('a list is its items, in YAML and in JSON', () => {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a' } };
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccountList', metadata: {}, items: [account] });
  assert.deepEqual(decodeYaml(list).resources.map(resourceKey), ['ServiceAccount/default/a']);
});

test('documents without content are no resources', () => {
  assert.deepEqual(decodeYaml('---\n# nothing\n---\n...\n').problems, []);
  assert.deepEqual(decodeYaml('').resources, []);
});

test("a container's environment is dropped, for it may hold secrets", () => {
  const deployment = decodeOne(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      volumes: [{name: v}]
      containers:
      - {name: a, env: [{name: PASSWORD, value: hunter2}], ports: [{containerPort: 80}]}
`);
  assert.equal(JSON.stringify(deployment).includes('hunter2'), false);
  assert.deepEqual(deployment.spec, {
    selector: { matchLabels: { app: 'a' } },
    template: {
      metadata: { labels: { app: 'a' } },
      spec: { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] },
    },
  });
});

test('free-form configuration of a plugin is kept as it is, null included', () => {
  const plugin = decodeOne(`
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: a}
spec: {url: a/b:1, pluginConfig: {x: null, y: [1, {z: true}], constructor: 1}}
`);
  assert.deepEqual((plugin.spec as { pluginConfig: unknown }).pluginConfig, {
    x: null,
    y: [1, { z: true }],
    constructor: 1,
  });
});

test('a name that means something to JavaScript is only a name', () => {
  const labels = '{"__proto__": "x"}';
  const { problems } = decodeYaml(
    `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a","labels":${labels}}}`,
  );
  assert.deepEqual(
    problems.map(({ message, pointer }) => [message, pointer]),
    [['"__proto__" cannot be a name', '/metadata/labels/__proto__']],
  );
  const wire = JSON.parse('{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a"},"__proto__":{"spec":1}}');
  assert.match(decodeResource(wire).problems[0].message, /unknown field "__proto__"/);
  assert.match(
    decodeResource({ apiVersion: 'v1', kind: 'constructor', metadata: {} }).problems[0].message,
    /unknown kind/,
  );
});

test('origins find what is asked of a resource in its file', () => {
  const text = '# a\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80}]\n';
  const { resources, origins } = decodeFiles([{ text, file: 'a.yaml' }]);
  const origin = origins.get(resources[0]);
  assert.deepEqual([origin?.file, origin?.line, origin?.column], ['a.yaml', 2, 1]);
  assert.deepEqual(origin?.find('/spec/ports/0/port'), { line: 6, column: 18 });
  assert.deepEqual(origin?.find('/spec/ports/7/port'), { line: 6, column: 10 }, 'the closest that is there');
});

test('limits hold for size, documents, depth and aliases that multiply', () => {
  const messages = (text: string): string[] => decodeYaml(text).problems.map(({ message }) => message);
  assert.deepEqual(messages(' '.repeat(4 * 1024 * 1024 + 1)), ['the text is longer than 4 MiB']);
  assert.deepEqual(messages('---\n'.repeat(10_002)), ['more than 10000 documents: the rest was not read']);
  assert.match(messages('['.repeat(5000))[0], /^nested more than 64 deep/);
  assert.match(messages(`a: ${'['.repeat(70)}${']'.repeat(70)}`)[0], /^nested more than 64 deep/);
  assert.match(messages('a: &a [*a]')[0], /^nested more than 64 deep/);
  let laughs = 'a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n';
  for (const [at, name] of [...'bcdefghij'].entries()) {
    laughs += `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[at]}`).join(', ')}]\n`;
  }
  assert.match(messages(laughs)[0], /^more than 1000000 values/);
  assert.equal(messages('--- a\n'.repeat(2000)).length, 1001);
  assert.ok(messages('}]'.repeat(50_000)).length > 0);
  let deep: unknown = 1;
  for (let i = 0; i < 70; i++) deep = { deep };
  const plugin = { apiVersion: 'extensions.istio.io/v1alpha1', kind: 'WasmPlugin', metadata: { name: 'a' } };
  const { problems } = decodeResource({ ...plugin, spec: { url: 'a', pluginConfig: deep } });
  assert.deepEqual(
    problems.map(({ message }) => message),
    ['nested more than 64 deep'],
  );
});
