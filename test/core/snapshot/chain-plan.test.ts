import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChainKind } from '../../../core/builtins/order.ts';
import { decodeYaml } from '../../../core/config/decode.ts';
import { resourceKey } from '../../../core/config/resource.ts';
import { planChain, wantedPlugins } from '../../../core/snapshot/chain-plan.ts';
import { dryRun } from '../../../core/snapshot/dry-run.ts';
import { policiesIn } from '../../../core/snapshot/policies.ts';
import type { Node } from '../../../core/workload.ts';

const NODE: Node = {
  id: 'n',
  name: 'n',
  workload: 'n',
  namespace: 'default',
  serviceAccount: 'default',
  trustDomain: 'cluster.local',
  labels: { app: 'a' },
  role: 'sidecar',
  address: '127.0.9.9',
  app: { address: '127.0.0.1', port: 8000 },
  services: [],
};

const DIGEST = `sha256:${'0'.repeat(64)}`;

function plugin(name: string, spec = ''): string {
  const [namespace, short] = name.includes('/') ? name.split('/') : ['default', name];
  return `apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: ${short}, namespace: ${namespace}}\nspec: {digest: "${DIGEST}", ${spec}}`;
}

function chain(spec: string): string {
  return `apiVersion: weft.dev/v1\nkind: FilterChain\nmetadata: {name: c}\nspec: {${spec}}`;
}

function resourcesOf(docs: readonly string[]) {
  const { resources, problems } = decodeYaml(docs.join('\n---\n'));
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  return new Map(resources.map((resource) => [resourceKey(resource), resource]));
}

/** Names in the order of a request, without built-ins whose place nothing marks. */
function plan(kind: ChainKind, ...docs: string[]): string[] {
  return planChain(kind, policiesIn(resourcesOf(docs)), NODE).map(({ name }) => name);
}

suite('the order of a chain', () => {
  test('phases come before what they are named after, and plugins without one just before the router', () => {
    const docs = [plugin('z', 'phase: STATS'), plugin('y'), plugin('x', 'phase: AUTHZ'), plugin('w', 'phase: AUTHN')];
    const names = plan('inbound', ...docs);
    assert.ok(names.indexOf('w') < names.indexOf('authn'));
    assert.ok(names.indexOf('authn') < names.indexOf('x') && names.indexOf('x') < names.indexOf('rbac'));
    assert.deepEqual(names.slice(-2), ['z', 'y']);
  });

  test('where there is no authentication, its phase is first and that of authorization next', () => {
    const docs = ['y', 'x', 'w'].map((name, i) =>
      plugin(name, `mode: CLIENT_AND_SERVER, phase: ${['STATS', 'AUTHZ', 'AUTHN'][i]}`),
    );
    const names = plan('outbound', ...docs);
    assert.deepEqual([names[0], names[1], names.at(-1)], ['w', 'x', 'y']);
  });

  test('a higher priority comes first, equal ones by namespace and name', () => {
    const docs = [plugin('a'), plugin('b', 'priority: 1'), plugin('c', 'priority: -1'), plugin('d')];
    assert.deepEqual(plan('inbound', ...docs).slice(-4), ['b', 'a', 'd', 'c']);
  });

  test('a plugin stands where its selector, namespace and mode say', () => {
    const docs = [
      plugin('here', 'selector: {matchLabels: {app: a}}'),
      plugin('elsewhere', 'selector: {matchLabels: {app: b}}'),
      plugin('client', 'mode: CLIENT'),
      plugin('off', 'enabled: false'),
      plugin('shop/foreign'),
      plugin('istio-system/everywhere'),
    ];
    const plugins = (kind: ChainKind): string[] =>
      planChain(kind, policiesIn(resourcesOf(docs)), NODE).flatMap((slot) => ('use' in slot ? slot.name : []));
    assert.deepEqual(plugins('inbound'), ['here', 'everywhere']);
    assert.deepEqual(plugins('outbound'), ['client']);
  });

  test('a FilterChain inserts before and after, moves what stands elsewhere, and leaves out', () => {
    const docs = [plugin('a'), plugin('b', 'phase: AUTHN')];
    const names = plan('inbound', ...docs, chain('insert: [{filter: a, before: rbac}, {filter: b, after: rbac}]'));
    const rbac = names.indexOf('rbac');
    assert.deepEqual(names.slice(rbac - 1, rbac + 2), ['a', 'rbac', 'b']);
    assert.equal(names.filter((name) => name === 'b').length, 1);
    assert.ok(!plan('inbound', ...docs, chain('disable: [a]')).includes('a'));
    assert.equal(plan('inbound', ...docs, chain('insert: [{filter: b, before: gone}]')).at(-1), 'b');
    assert.ok(plan('outbound', ...docs, chain('disable: [a]')).every((name) => name !== 'a'));
  });

  test('a FilterChain finds plugins of its own namespace, then of the root namespace', () => {
    const insert = chain('insert: [{filter: a, before: ext-authz}]');
    const off = plugin('istio-system/a', 'selector: {matchLabels: {app: none}}');
    assert.equal(plan('inbound', off, insert)[0], 'a');
    assert.equal(plan('inbound', plugin('shop/a'), insert)[0], 'ext-authz');
  });

  test('a plugin with several configurations is wanted with each of them', () => {
    const docs = [
      plugin('a', 'config: {n: 1}'),
      chain(
        'direction: outbound, insert: [{filter: a, after: fault, config: {n: 2}}], routes: [{route: r, filter: a, config: {n: 3}}]',
      ),
    ];
    const wanted = wantedPlugins(policiesIn(resourcesOf(docs)), NODE, ['inbound', 'outbound']);
    const texts = wanted.map(({ config }) => Buffer.from(config.configuration).toString());
    assert.deepEqual(texts, ['{"n":1}', '{"n":2}', '{"n":3}']);
  });

  test('a route is heeded by every filter of the name that it gives, and a configuration by those that take one', () => {
    const docs = [
      chain(
        'direction: outbound, insert: [{filter: fault, after: fault, config: {}}], routes: [{route: r, filter: fault, config: {abort: {httpStatus: 503}}}, {route: s, filter: fault, disable: true}]',
      ),
    ];
    const slots = planChain('outbound', policiesIn(resourcesOf(docs)), NODE).filter(({ name }) => name === 'fault');
    assert.deepEqual(
      slots.map((slot) => ('standing' in slot ? [...slot.skippedBy] : [...slot.routes])),
      [
        ['s'],
        [
          ['r', { abort: { httpStatus: 503 } }],
          ['s', null],
        ],
      ],
    );
  });

  test('what a built-in filter would refuse is refused before it is committed, at its place', () => {
    const docs = [
      chain(
        'direction: outbound, selector: {matchLabels: {app: other}}, insert: [{filter: headers, before: fault, config: {requst: {}}}]',
      ),
    ];
    const [problem, ...rest] = dryRun(resourcesOf(docs));
    assert.deepEqual(rest, []);
    assert.match(problem.message, /^headers: .*requst/);
    assert.deepEqual([problem.severity, problem.pointer], ['error', '/spec/insert/0/config']);
    assert.deepEqual(
      dryRun(resourcesOf([chain('insert: [{filter: headers, before: rbac, config: {request: {remove: [x-a]}}}]')])),
      [],
    );
  });
});
