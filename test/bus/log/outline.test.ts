// A list of commits is read without what large ones hold: their objects are taken away, and it is the same.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openLink } from '../../../bus/dial.ts';
import { purge } from '../../../bus/jetstream.ts';
import { INFO_PREFIX, inboxPrefix } from '../../../bus/subjects.ts';
import type { Bus } from '../../../bus/types.ts';
import { fixedLogin } from '../../../bus/users/login.ts';
import { type Mesh, resources, startMesh } from '../harness.ts';

describe('an outline of the log', () => {
  let mesh: Mesh;
  let control: Bus;
  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
    const large = resources(40, 'x'.repeat(10_000));
    for (let parent = 0; parent < 6; parent++) {
      const upserts = parent === 3 ? large : resources(2, parent);
      const removals = parent === 3 ? ['Thing/default/gone'] : [];
      await control.config.commit({ parent, author: 'me', message: `change ${parent + 1}`, upserts, removals });
    }
  });
  after(() => mesh.stop());

  it('has the newest first, from where it is asked for, with how much each changed', async () => {
    const shown = async (limit: number, from?: number) =>
      (await control.config.outline(limit, from)).map(({ revision, upserts, removals, message }) =>
        [revision, upserts, removals, message].join(' '),
      );
    assert.deepEqual(await shown(3), ['6 2 0 change 6', '5 2 0 change 5', '4 40 1 change 4']);
    assert.deepEqual(await shown(2, 5), ['4 40 1 change 4', '3 2 0 change 3']);
    assert.deepEqual(await shown(10, 2), ['1 2 0 change 1']);
    assert.deepEqual(await shown(10, 1), []);
  });

  it('reads no object of a large commit', async () => {
    const login = fixedLogin(mesh.server.credentials.control);
    const where = { servers: [mesh.server.url], inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX };
    const link = await openLink({ ...where, login, name: 'test', waitMs: 10_000 });
    await purge(link, 'OBJ_weft-config', { filter: '$O.weft-config.>' });
    await link.close();
    assert.equal((await control.config.outline(10)).length, 6);
    assert.equal((await control.config.history(10)).length, 2, 'what was large is gone');
  });
});
