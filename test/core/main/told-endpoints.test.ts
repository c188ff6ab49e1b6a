// What shards are told of endpoints while what they may call changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndpointFilter, EVERY_ENDPOINT, ToldEndpoints } from '../../../core/main/told-endpoints.ts';
import type { EndpointUpdate } from '../../../core/shard/protocol.ts';
import type { Served, WorkloadEndpoint } from '../../../core/workload.ts';
import { workload } from '../snapshot/rig.ts';

const of = (...names: string[]): EndpointFilter => ({
  takes: ({ workload: name }) => names.includes(name.slice(0, 1)),
});
const served = (name: string, address: string): readonly [string, Served] => [
  name,
  { endpoints: [workload(name, 'v1', address)], admin: `${address}:15000` },
];
/** 'a' is told whole, 'b-' as who has an admin, 'c127.0.1.3' as who dials from there, too. */
const said = ({ upserts, removals }: EndpointUpdate): string[] => [
  ...upserts.map(([key, { endpoints, dialling, admin }]) => {
    assert.notEqual(admin, null, 'where no request may be sent is told in any case');
    const addresses = (dialling ?? []).map(({ address }: WorkloadEndpoint) => address).join();
    return endpoints.length > 0 ? key : `${key}${addresses || '-'}`;
  }),
  ...removals.map((key) => `no ${key}`),
];

test('what the next configuration calls comes before it, and what only the last one called goes after it', () => {
  const told = new ToldEndpoints();
  const mesh = [served('a', '10.0.0.1'), served('b', '10.0.0.2'), served('c', '127.0.1.3')];
  assert.deepEqual(said(told.change({ upserts: mesh, removals: [] }, false)), [], 'nothing runs yet');
  assert.deepEqual(said(told.all), []);
  const [first, second] = [of('a'), of('b')];
  assert.deepEqual(said(told.widen(first)), ['a', 'b-', 'c127.0.1.3']);
  assert.deepEqual(said(told.narrow(first)), []);
  assert.deepEqual(said(told.widen(second)), ['b']);
  assert.deepEqual(said(told.all), ['a', 'b', 'c127.0.1.3'], 'as a shard that is born meanwhile is greeted');
  assert.deepEqual(said(told.revert()), ['b-'], 'it was refused');
  assert.deepEqual(said(told.widen(second)), ['b']);
  assert.deepEqual(said(told.narrow(second)), ['a-']);
  assert.deepEqual(said(told.widen(EVERY_ENDPOINT)), ['a', 'c']);
  assert.deepEqual(said(told.narrow(EVERY_ENDPOINT)), []);
  assert.deepEqual(said(told.widen(second)), []);
  assert.deepEqual(said(told.narrow(second)), ['a-', 'c127.0.1.3']);
  assert.equal(told.endpoints.length, 3, 'all of them are kept on the disk');
});

test('a change of what shards know nothing of is not told, one of its admin or its address is', () => {
  const told = new ToldEndpoints();
  const filter = of('a');
  told.change({ upserts: [served('a', '10.0.0.1'), served('b', '10.0.0.2')], removals: [] }, false);
  told.widen(filter);
  told.narrow(filter);
  const moved = served('b', '10.0.0.9')[1];
  const change = (key: string, of: Served) => said(told.change({ upserts: [[key, of]], removals: [] }, false));
  assert.deepEqual(change('b', { ...moved, admin: '10.0.0.2:15000' }), []);
  assert.deepEqual(change('b', moved), ['b-']);
  assert.deepEqual(change('b', served('b', '127.0.1.2')[1]), ['b127.0.1.2']);
  assert.deepEqual(change('b', served('b', '127.0.1.2')[1]), []);
  assert.deepEqual(change('a', served('a', '10.0.0.3')[1]), ['a']);
  assert.deepEqual(said(told.change({ upserts: [], removals: ['b', 'nobody'] }, false)), ['no b']);
  assert.deepEqual(said(told.change({ upserts: [served('c', '10.0.0.4')], removals: [] }, true)), ['c-', 'no a']);
});

test('a refused first configuration leaves nothing told that is not kept up to date', () => {
  const told = new ToldEndpoints();
  told.change({ upserts: [served('a', '10.0.0.1')], removals: [] }, false);
  assert.deepEqual(said(told.widen(of('a'))), ['a']);
  assert.deepEqual(said(told.revert()), []);
  assert.deepEqual(said(told.change({ upserts: [], removals: ['a'] }, false)), ['no a']);
});
