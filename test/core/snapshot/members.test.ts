import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Members } from '../../../core/snapshot/members.ts';
import type { Service } from '../../../core/snapshot/services.ts';
import type { WorkloadEndpoint } from '../../../core/workload.ts';

function workload(
  name: string,
  labels: Record<string, string>,
  services: string[] = [],
  namespace = 'default',
): WorkloadEndpoint {
  const who = { id: name, name, workload: name, namespace, serviceAccount: 'default', trustDomain: 'cluster.local' };
  return { ...who, labels, services, address: '127.0.0.1', port: 1, appPort: 1, weight: 1, locality: '' };
}

function service(host: string, selector: Service['selector']): Service {
  return { host, names: [host], namespace: 'default', ports: [], selector, resolution: 'STATIC', fixed: [] };
}

const workloads = [
  workload('a', { app: 'web', tier: 'front' }),
  workload('b', { app: 'web' }, ['web']),
  workload('c', { app: 'other' }, ['web.default.svc.cluster.local'], 'elsewhere'),
  workload('d', { app: 'web' }, [], 'elsewhere'),
];

function names(found: readonly WorkloadEndpoint[]): string[] {
  return found.map(({ name }) => name).sort();
}

/** Of a service that came. */
function namesOf(members: Members, wanted: Service): string[] {
  members.select(null, wanted);
  for (const _ of members.index());
  return names(members.of(wanted));
}

test('workloads belong to a service by its name and by its selector, each once', () => {
  const members = new Members();
  for (const [i, each] of workloads.entries()) members.add({ rank: String(i), workload: each });
  const web = 'web.default.svc.cluster.local';
  assert.deepEqual(namesOf(members, service(web, { app: 'web' })), ['a', 'b', 'c']);
  assert.deepEqual(namesOf(members, service(web, null)), ['b', 'c']);
  assert.deepEqual(namesOf(members, service('front.default.svc.cluster.local', { tier: 'front', app: 'web' })), ['a']);
  assert.deepEqual(namesOf(members, service('all.default.svc.cluster.local', {})), ['a', 'b']);
  assert.deepEqual(namesOf(members, service('none.default.svc.cluster.local', { app: 'none' })), []);
});
