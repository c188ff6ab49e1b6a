import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from '../harness.ts';

let plane: Plane;
before(async () => {
  plane = await startDataPlane();
});
after(() => plane.stop());

describe('the trail of changes', () => {
  it('tells who made a revision, and from where: as the control plane saw it, not as a client says', async () => {
    const headers = { 'user-agent': `mesh/9 ${'x'.repeat(300)}`, 'x-forwarded-for': '8.8.8.8' };
    assert.equal((await plane.call('POST', '/v1/apply', files(virtualService('told')), { headers })).status, 200);
    const deleted = await plane.call('POST', '/v1/delete', { keys: ['VirtualService/default/told'] });
    assert.equal(deleted.status, 200);
    await plane.call('POST', '/v1/rollback', { to: 1 });
    const whole = { resources: [] };
    assert.equal((await plane.call('POST', '/v1/restore', whole, { headers: { 'user-agent': '' } })).status, 200);
    const { body } = await plane.call<{ items: Record<string, unknown>[] }>('GET', '/v1/revisions');
    const first = { address: '127.0.0.1', client: `mesh/9 ${'x'.repeat(300)}`.slice(0, 200) };
    const others = { address: '127.0.0.1', client: '' };
    assert.deepEqual(
      body.items.map(({ author, origin, parent }) => ({ author, origin, parent })),
      [
        { author: 'admin', origin: { ...others, request: 'POST /v1/restore' }, parent: 3 },
        { author: 'admin', origin: { ...others, request: 'POST /v1/rollback' }, parent: 2 },
        { author: 'admin', origin: { ...others, request: 'POST /v1/delete' }, parent: 1 },
        { author: 'admin', origin: { ...first, request: 'POST /v1/apply' }, parent: 0 },
      ],
    );
    const one = await plane.call('GET', '/v1/revisions/1');
    assert.deepEqual(one.body.origin, { ...first, request: 'POST /v1/apply' });
  });

  it('takes no name from a client', async () => {
    const { status, body } = await plane.call<ErrorBody>(
      'POST',
      '/v1/apply?author=me',
      files(virtualService('a', 'v2')),
    );
    assert.deepEqual([status, body.error], [400, 'querystring has no field "author"']);
  });
});
