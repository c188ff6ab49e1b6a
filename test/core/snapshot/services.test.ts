import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../../../core/snapshot/snapshot.ts';
import type { Node } from '../../../core/workload.ts';
import { compilerFor, node, resources, workload } from './rig.ts';

function snapshotOf(of: Node, ...texts: string[]): Snapshot {
  return compilerFor(of).compile({ resources: resources(...texts), endpoints: [] }, 1).snapshot;
}

function entry(where: string, host: string, more: string): string {
  const [namespace, name] = where.split('/');
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: ['${host}'], resolution: STATIC, ${more}}
`;
}

const rule = (hosts: string, status: number, name = 'r', more = ''): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec: {hosts: [${hosts}], ${more}http: [{directResponse: {status: ${status}}}]}
`;

function statusAt(snapshot: Snapshot, authority: string): number | null {
  const action = snapshot.outbound.find(authority)?.routes[0].action;
  return action?.type === 'direct' ? action.status : null;
}

const FIXED = "ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: '192.0.2.1'}]";

test('ports of a WorkloadEntry are those of the names that the service has for them', () => {
  const service = entry(
    'default/a',
    'a.example',
    'workloadSelector: {labels: {app: a}}, ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: other, protocol: HTTP, targetPort: 8081}]',
  );
  const described = `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a}
spec: {address: '192.0.2.1', labels: {app: a}, ports: {http: 3001, unknown: 9}}
`;
  const { clusters } = snapshotOf(node('sidecar'), service, described);
  const keys = [80, 81].map((port) => clusters.get(`outbound|${port}||a.example`)!.endpoints.map(({ key }) => key));
  assert.deepEqual(keys, [['192.0.2.1:3001'], ['192.0.2.1:8081']]);
});

test('an endpoint that is only said to be in another network is not dialled: it has no address', () => {
  const nowhere = `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a}
spec: {network: far, labels: {app: a}}
`;
  const { clusters } = snapshotOf(
    node('sidecar'),
    entry('default/a', 'a.example', FIXED.replace('[{address', '[{network: far}, {address')),
    entry('default/b', 'b.example', 'workloadSelector: {labels: {app: a}}, ports: [{number: 80, name: http}]'),
    nowhere,
  );
  const keys = ['a', 'b'].map((name) => clusters.get(`outbound|80||${name}.example`)!.endpoints.map(({ key }) => key));
  assert.deepEqual(keys, [['192.0.2.1:80'], []]);
});

test('a rule for a wildcard applies to every service that it covers, unless a more specific one does', () => {
  const services = ['a.eu.example', 'b.eu.example', 'c.example', 'd.test'].map((host) =>
    entry(`default/${host.replaceAll('.', '-')}`, host, FIXED),
  );
  const snapshot = snapshotOf(
    node('sidecar'),
    ...services,
    rule("'*.example'", 201, 'wide'),
    rule("'*.eu.example'", 202, 'narrow'),
    rule('b.eu.example', 203, 'exact'),
  );
  assert.deepEqual(
    ['a.eu.example', 'b.eu.example', 'c.example', 'd.test', 'unknown.eu.example'].map((host) =>
      statusAt(snapshot, host),
    ),
    [202, 203, 201, null, 202],
  );
});

test('a rule for a wildcard applies to services of the cluster under every name of theirs', () => {
  const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: c}\nspec: {ports: [{name: http, port: 80}]}\n';
  const snapshot = snapshotOf(node('sidecar'), service, rule("'*.default.svc.cluster.local'", 201));
  for (const name of ['c', 'c.default', 'c.default.svc.cluster.local'])
    assert.equal(statusAt(snapshot, name), 201, name);
});

test('services and rules are there for the namespaces that they are exported to', () => {
  const entries = [
    entry('shop/own', 'own.example', `exportTo: ['.'], ${FIXED}`),
    entry('shop/all', 'all.example', FIXED),
  ];
  const names = (namespace: string): string[] =>
    snapshotOf(node('sidecar', {}, namespace), ...entries).outbound.virtualHosts.map(({ service }) => service);
  assert.deepEqual(names('default'), ['all.example']);
  assert.deepEqual(names('shop'), ['all.example', 'own.example']);
  const hidden = rule('all.example', 201, 'r', "exportTo: ['.'], ");
  assert.equal(statusAt(snapshotOf(node('sidecar'), ...entries, hidden), 'all.example'), 201);
  assert.equal(statusAt(snapshotOf(node('sidecar', {}, 'shop'), ...entries, hidden), 'all.example'), null);
});

test('of two services of one host the one in the namespace of the proxy counts, in whichever order they came', () => {
  const at = (address: string): string => FIXED.replace('192.0.2.1', address);
  const texts = [entry('aaa/x', 'x.example', at('192.0.2.1')), entry('shop/x', 'x.example', at('192.0.2.2'))];
  for (const order of [texts, texts.toReversed()]) {
    const addressFor = (namespace: string): string | undefined =>
      snapshotOf(node('sidecar', {}, namespace), ...order).clusters.get('outbound|80||x.example')?.endpoints[0].address;
    assert.equal(addressFor('shop'), '192.0.2.2');
    assert.equal(addressFor('default'), '192.0.2.1');
  }
});

test('names of hosts have no case and a dot at their end says nothing, in whichever kind they are written', () => {
  const snapshot = snapshotOf(
    node('sidecar'),
    entry('default/a', 'A.Example.', FIXED),
    entry('default/w', '*.Wild.Example', `${FIXED}`),
    rule('a.eXample.', 201, 'a'),
    rule("'*.wILD.Example'", 202, 'w'),
    `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: to}
spec: {hosts: [To.Test], http: [{route: [{destination: {host: a.EXAMPLE}}]}]}`,
  );
  assert.deepEqual(
    ['a.example', 'x.wild.example', 'A.EXAMPLE'].map((host) => statusAt(snapshot, host)),
    [201, 202, 201],
  );
  const to = snapshot.outbound.find('to.test')!.routes[0].action;
  assert.equal(to.type === 'forward' && to.targets[0].cluster?.name, 'outbound|80||a.example');
});

test('a gateway serves the hosts of its servers to rules of the namespaces that they name', () => {
  const gateway = (hosts: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec: {servers: [{port: {number: 8080, protocol: HTTP, name: http}, hosts: ['${hosts}']}]}
`;
  const bound = rule('T.Example', 201, 'r', 'gateways: [istio-system/edge], ');
  const found = (hosts: string): boolean =>
    snapshotOf(node('gateway', {}, 'istio-system'), gateway(hosts), bound)
      .gateways.get(8080)
      ?.find('t.example') != null;
  const all = [
    './t.example',
    './*',
    'default/t.example',
    'default/*',
    '*/T.EXAMPLE',
    't.example',
    'shop/t.example',
    'T.example.',
  ];
  assert.deepEqual(all.map(found), [false, false, true, true, true, true, false, true]);
});

test('a gateway with the labels that a service selects serves the ports that its Gateways name, and dials as nobody', () => {
  const service = `
apiVersion: v1
kind: Service
metadata: {name: istio-egressgateway}
spec:
  selector: {istio: egressgateway}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: http-b, port: 81, targetPort: 8081}, {name: http-c, port: 82}]
`;
  const who = { ...workload('egress', 'v1', '127.0.0.1'), services: [], labels: { istio: 'egressgateway' } };
  const endpoints = [
    { ...who, address: '127.9.9.9', port: 0, appPort: -1 },
    { ...who, port: 18080, appPort: 80, gateway: true },
    { ...who, port: 18081, appPort: 8081, gateway: true },
  ];
  const { clusters } = compilerFor(node('sidecar')).compile({ resources: resources(service), endpoints }, 1).snapshot;
  const at = (port: number): string[] =>
    clusters.get(`outbound|${port}||istio-egressgateway.default.svc.cluster.local`)!.endpoints.map(({ key }) => key);
  assert.deepEqual([80, 81, 82].map(at), [['127.0.0.1:18080'], ['127.0.0.1:18081'], []]);
});

test('labels make a workload one of those services alone that it may belong to', () => {
  const service = (name: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: api}, ports: [{name: http, port: 9080}]}
`;
  const who = { ...workload('api', 'v1', '127.0.0.1'), port: 18080, appPort: 9080, labels: { app: 'api' } };
  const services = [service('api'), service('api-v1'), service('bank')];
  const found = (only: readonly string[] | undefined): number[] => {
    const endpoints = [only === undefined ? who : { ...who, only }];
    const { clusters } = compilerFor(node('sidecar')).compile(
      { resources: resources(...services), endpoints },
      1,
    ).snapshot;
    return ['api', 'api-v1', 'bank'].map(
      (name) => clusters.get(`outbound|9080||${name}.default.svc.cluster.local`)!.endpoints.length,
    );
  };
  assert.deepEqual(
    [found(undefined), found(['api', 'api-v1']), found(['api'])],
    [
      [1, 1, 1],
      [1, 1, 0],
      [1, 0, 0],
    ],
  );
});

test('who answers at an address that several name is the same whatever came first, and nobody when they are gone', () => {
  const described = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}}
spec: {address: '192.0.2.1', labels: {app: a}}
`;
  const selecting = entry(
    'default/a',
    'a.example',
    'workloadSelector: {labels: {app: a}}, ports: [{number: 80, name: http, protocol: HTTP}]',
  );
  const fixed = entry('default/f', 'f.example', FIXED);
  const compiler = compilerFor(node('sidecar'));
  const ownerWith = (...texts: string[]): string | undefined =>
    compiler
      .compile({ resources: resources(...texts), endpoints: [] }, 1)
      .snapshot.clusters.get('outbound|80||f.example')!.endpoints[0].workload?.name;
  assert.equal(ownerWith(fixed, selecting, described('two')), 'two');
  assert.equal(ownerWith(described('two'), described('one'), selecting, fixed), 'one');
  assert.equal(ownerWith(fixed, selecting), undefined);
});

test('rules for one host are tried in the order of their namespaces and names', () => {
  const some = rule('x.test', 201, 'b').replace(
    'http: [',
    'http: [{match: [{uri: {prefix: /b}}], directResponse: {status: 202}}, ',
  );
  const snapshot = snapshotOf(node('sidecar'), some, rule('x.test', 203, 'c'), rule('X.test', 204, 'a'));
  const statuses = snapshot.outbound
    .find('x.test')!
    .routes.map(({ action }) => action.type === 'direct' && action.status);
  assert.deepEqual(statuses, [204, 202, 201, 203]);
});
