// Services and rules that say nothing of who sees them are for whom MeshConfig says, from the moment on at which it does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialsNamed } from '../../../core/snapshot/credentials-named.ts';
import { compilerFor, node, resources } from './rig.ts';

const networking = (kind: string, namespace: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { namespace, name }, spec });
const service = (namespace: string, name: string): string =>
  JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
  });
const mesh = (spec: object): string =>
  JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'MeshConfig', metadata: { name: 'default' }, spec });

const ROUTE = { http: [{ name: 'ruled', route: [{ destination: { host: 'here' } }] }] };
const MESH = [
  service('default', 'here'),
  service('shop', 'there'),
  networking('ServiceEntry', 'shop', 'out', {
    hosts: ['api.example'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS',
  }),
  networking('ServiceEntry', 'shop', 'open', {
    hosts: ['open.example'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS',
    exportTo: ['*'],
  }),
  networking('VirtualService', 'shop', 'rule', { hosts: ['ruled.example'], ...ROUTE }),
  networking('DestinationRule', 'shop', 'shape', {
    host: 'open.example',
    trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'partner' } },
  }),
];
const ALL = ['api.example', 'here.default.svc.cluster.local', 'open.example', 'there.shop.svc.cluster.local'];

/** A compiler that is told of one state after the other; what a proxy of the namespace sees of each. */
function seenBy(namespace: string): (spec: object | null) => { hosts: string[]; ruled: boolean; shaped: boolean } {
  const compiler = compilerFor(node('sidecar', {}, namespace));
  const known = resources(...MESH);
  let revision = 0;
  return (spec) => {
    const state = new Map([...known, ...(spec === null ? [] : resources(mesh(spec)))]);
    const { snapshot } = compiler.compile({ resources: state, endpoints: [] }, ++revision);
    const clusters = [...snapshot.clusters.values()].filter(({ spec: { kind } }) => kind === 'outbound');
    return {
      hosts: [...new Set(clusters.map(({ spec: { service: host } }) => host))].sort(),
      ruled: snapshot.outbound.virtualHosts.some(({ name }) => name.startsWith('ruled.example')),
      shaped:
        (clusters.find(({ spec: { service: host } }) => host === 'open.example')?.spec.tls?.origination ?? null) !==
        null,
    };
  };
}

test('what says nothing of it is seen by whom MeshConfig says', () => {
  const see = seenBy('default');
  const everything = { hosts: ALL, ruled: true, shaped: true };
  assert.deepEqual(see(null), everything);
  const own = ['.'];
  const kept = ['here.default.svc.cluster.local', 'open.example'];
  assert.deepEqual(see({ defaultServiceExportTo: own }), { ...everything, hosts: kept });
  assert.deepEqual(see({ defaultServiceExportTo: ['default'] }), everything);
  assert.deepEqual(see({ defaultServiceExportTo: ['~'] }), { ...everything, hosts: ['open.example'] });
  assert.deepEqual(see({ defaultVirtualServiceExportTo: own }), { ...everything, ruled: false });
  assert.deepEqual(see({ defaultDestinationRuleExportTo: own }), { ...everything, shaped: false });
  assert.deepEqual(see({ connectTimeout: '1s' }), everything);
  assert.deepEqual(see({ defaultVirtualServiceExportTo: own, defaultServiceExportTo: [] }), {
    ...everything,
    ruled: false,
  });
  assert.deepEqual(see(null), everything);
});

test('their own namespace sees them all the same', () => {
  const see = seenBy('shop');
  const own = {
    defaultServiceExportTo: ['.'],
    defaultVirtualServiceExportTo: ['.'],
    defaultDestinationRuleExportTo: ['.'],
  };
  const { hosts, ruled, shaped } = see(own);
  assert.ok(hosts.includes('there.shop.svc.cluster.local') && hosts.includes('api.example'));
  assert.deepEqual([ruled, shaped], [true, true]);
});

test('a gateway elsewhere is not given the secrets of a rule that it does not see', () => {
  const named = (...more: string[]) => [
    ...credentialsNamed(
      { role: 'gateway', namespace: 'default', labels: {} },
      resources(...MESH, ...more).values(),
    ).keys(),
  ];
  assert.deepEqual(named(), ['kubernetes://partner-cacert']);
  assert.deepEqual(named(mesh({ defaultDestinationRuleExportTo: ['.'] })), []);
});

test('a snapshot is the same whether MeshConfig came with the rest or after it', () => {
  const spec = { defaultServiceExportTo: ['.'] };
  const after = compilerFor(node('sidecar'));
  after.compile({ resources: resources(...MESH), endpoints: [] }, 1);
  const state = { resources: resources(...MESH, mesh(spec)), endpoints: [] };
  const fresh = compilerFor(node('sidecar')).compile(state, 2);
  assert.deepEqual(
    [...after.compile(state, 2).snapshot.clusters.keys()].sort(),
    [...fresh.snapshot.clusters.keys()].sort(),
  );
});
