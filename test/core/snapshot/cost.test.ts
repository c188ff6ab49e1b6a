// What a change costs, in steps of the compile: as many in a large mesh as in a small one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeResource } from '../../../core/config/decode.ts';
import type { Resource } from '../../../core/config/resource.ts';
import type { Change, Compiled, Compiler } from '../../../core/snapshot/compile.ts';
import type { WorkloadEndpoint } from '../../../core/workload.ts';
import { node, realCompilerFor, workload } from './rig.ts';

const ROLES = ['sidecar', 'gateway'] as const;

function resource(kind: string, name: string, spec: object): Resource {
  const apiVersion = kind === 'Service' ? 'v1' : 'networking.istio.io/v1';
  return decodeResource({ apiVersion, kind, metadata: { name, namespace: 'default' }, spec }).resource!;
}

const service = (name: string, port = 80): Resource =>
  resource('Service', name, { selector: { app: name }, ports: [{ name: 'http', port, targetPort: 9080 }] });

const rule = (name: string, prefix: string, to = name): Resource =>
  resource('VirtualService', name, {
    hosts: [name, `${name}.example.com`],
    gateways: ['mesh', 'edge'],
    http: [{ match: [{ uri: { prefix } }], route: [{ destination: { host: to } }] }],
  });

const shape = (name: string, host: string, maxConnections: number): Resource =>
  resource('DestinationRule', name, { host, trafficPolicy: { connectionPool: { tcp: { maxConnections } } } });

const gateway = resource('Gateway', 'edge', {
  selector: { istio: 'ingressgateway' },
  servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
});

const endpoint = (name: string, i: number, version = 'v1'): WorkloadEndpoint => ({
  ...workload(name, version, `127.1.${i >> 8}.${i & 255}`),
  id: `${name}-${i}`,
  services: [],
});

interface Mesh {
  readonly compiler: Compiler;
  steps(change: Partial<Change>): { steps: number; compiled: Compiled };
}

/** Of so many services, each with a rule, a DestinationRule and three endpoints. */
function mesh(role: (typeof ROLES)[number], size: number): Mesh {
  const compiler = realCompilerFor(node(role, { istio: 'ingressgateway' }));
  let revision = 0;
  const steps: Mesh['steps'] = (change) => {
    const work = compiler.compile({ resources: null, endpoints: null, ...change }, ++revision);
    for (let count = 0; ; count++) {
      const { done, value } = work.next();
      if (done !== true) continue;
      for (const _ of compiler.clear()) count++;
      return { steps: count, compiled: value };
    }
  };
  const names = Array.from({ length: size }, (_, i) => `s${i}`);
  const upserts = [gateway, ...names.flatMap((name) => [service(name), rule(name, '/a'), shape(name, name, 5)])];
  steps({
    resources: { full: true, upserts, removals: [] },
    endpoints: {
      upserts: names.flatMap((name, s) => [0, 1, 2].map((i) => [`${name}-${i}`, [endpoint(name, s * 3 + i)]] as const)),
      removals: [],
    },
  });
  return { compiler, steps };
}

const CHANGES: Readonly<Record<string, Partial<Change>>> = {
  'a VirtualService': { resources: { full: false, upserts: [rule('s3', '/b')], removals: [] } },
  'a VirtualService that leads elsewhere': {
    resources: { full: false, upserts: [rule('s3', '/b', 's4')], removals: [] },
  },
  'a VirtualService that goes': { resources: { full: false, upserts: [], removals: ['VirtualService/default/s5'] } },
  'a Service with another port': { resources: { full: false, upserts: [service('s2', 81)], removals: [] } },
  'a Service that goes': { resources: { full: false, upserts: [], removals: ['Service/default/s1'] } },
  'a Service that comes': { resources: { full: false, upserts: [service('new')], removals: [] } },
  'a DestinationRule': { resources: { full: false, upserts: [shape('s6', 's6', 7)], removals: [] } },
  'an endpoint': { endpoints: { upserts: [['s3-1', [endpoint('s3', 10, 'v2')]]], removals: [] } },
  'an endpoint that goes': { endpoints: { upserts: [], removals: ['s4-1'] } },
  'a service that joins by its lease': {
    endpoints: { upserts: [['joined', [{ ...endpoint('joined', 9_999), services: ['joined'] }]]], removals: [] },
  },
};

for (const role of ROLES) {
  test(`for a ${role} a change costs what it changes, however large the mesh is`, () => {
    const [small, large] = [mesh(role, 10), mesh(role, 120)];
    for (const [what, change] of Object.entries(CHANGES)) {
      const [few, many] = [small.steps(change).steps, large.steps(change).steps];
      assert.ok(many <= few + 1 && few < 60, `${what}: ${few} steps in the small mesh, ${many} in the large one`);
    }
  });
}

test('endpoints that come and go inside of known services make no other snapshot', () => {
  const { steps } = mesh('sidecar', 5);
  const first = steps({ endpoints: { upserts: [['more', [endpoint('s1', 900)]]], removals: [] } }).compiled.snapshot;
  const cluster = first.clusters.get('outbound|80||s1.default.svc.cluster.local')!;
  assert.equal(cluster.endpoints.length, 4);
  const second = steps({ endpoints: { upserts: [], removals: ['more', 'never-there'] } }).compiled.snapshot;
  assert.equal(second, first);
  assert.equal(cluster.endpoints.length, 3);
});

test('a compile that is refused half-way leaves everything as it was, and the next one is whole', () => {
  let broken = false;
  const compiler = realCompilerFor(node('sidecar'), () => broken);
  const run = (upserts: readonly Resource[], revision: number): Compiled => {
    const work = compiler.compile({ resources: { full: false, upserts, removals: [] }, endpoints: null }, revision);
    for (;;) {
      const { done, value } = work.next();
      if (done === true) return value;
    }
  };
  const { snapshot } = run([service('a'), service('b'), rule('a', '/a')], 1);
  broken = true;
  const faulty = resource('VirtualService', 'b', {
    hosts: ['b'],
    http: [
      { fault: { abort: { httpStatus: 418, percentage: { value: 1 } } }, route: [{ destination: { host: 'new' } }] },
    ],
  });
  assert.throws(() => run([service('new'), rule('a', '/other', 'new'), faulty], 2), /cannot be made now/);
  assert.equal(snapshot.clusters.has('outbound|80||new.default.svc.cluster.local'), false);
  assert.equal(snapshot.outbound.find('new'), null);
  broken = false;
  const next = run([service('c')], 3).snapshot;
  assert.equal(next.outbound.find('a'), snapshot.outbound.find('a'));
  assert.equal(next.outbound.find('b'), snapshot.outbound.find('b'));
  assert.equal(next.outbound.find('new'), null);
  assert.ok(next.outbound.find('c') !== null);
});
