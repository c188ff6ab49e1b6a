import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../until.ts';
import { type ErrorBody, type Plane, startDataPlane } from './harness.ts';

const FULL = 'the disk that NATS writes to (/data) is full, 0 KiB are left';
let trouble = '';
let plane: Plane;
before(async () => {
  plane = await startDataPlane({ natsTrouble: async () => trouble });
});
after(() => plane.stop());

describe('a control plane whose NATS is in trouble', () => {
  it('refuses a change before it is written, says why, and takes it once that is over', async () => {
    const text = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n';
    const apply = () =>
      plane.call<ErrorBody & { revision?: number }>('POST', '/v1/apply', { files: [{ name: 'a', text }] });
    trouble = FULL;
    const refused = await apply();
    assert.deepEqual([refused.status, refused.body.error], [503, `${FULL}; nothing was changed`]);
    const ready = await plane.call('GET', '/ready');
    assert.deepEqual([ready.status, ready.body.nats], [503, FULL]);
    trouble = '';
    assert.equal((await apply()).body.revision, 1);
    assert.equal((await plane.call('GET', '/ready')).status, 200);
  });
});

describe('a control plane that is older than another one', () => {
  it('changes what it knows, leaves what it does not know alone, and says so', async () => {
    const bus = await plane.mesh.open('control');
    const { revision: parent } = await bus.config.load();
    const body = {
      apiVersion: 'weft.dev/v9',
      kind: 'Hologram',
      metadata: { name: 'a', namespace: 'default' },
      spec: {},
    };
    const upserts = [{ key: 'Hologram/default/a', body }];
    const { revision } = await bus.config.commit({ parent, author: '', message: '', upserts, removals: [] });
    await until('it is here', async () => (await plane.call('GET', '/ready')).body.revision === revision);
    const text = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: b}\n';
    const applied = await plane.call<{ revision: number; warnings: { message: string }[] }>('POST', '/v1/apply', {
      files: [{ name: 'b', text }],
    });
    assert.deepEqual([applied.status, applied.body.revision], [200, revision + 1]);
    assert.match(
      applied.body.warnings[0].message,
      /^a resource of kinds that this version does not know .*Hologram\/default\/a$/,
    );
    assert.deepEqual((await bus.config.load()).resources.get('Hologram/default/a'), body);
  });
});
