import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
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
