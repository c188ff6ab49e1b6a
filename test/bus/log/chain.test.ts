import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { suite, type TestContext, test } from 'node:test';
import { openLink } from '../../../bus/dial.ts';
import type { Link } from '../../../bus/link.ts';
import { applyCommit, Seal, SIGNATURE_HEADER } from '../../../bus/log/commit-format.ts';
import { DamagedError } from '../../../bus/log/log-entry.ts';
import { CONFIG_LOG, INFO_PREFIX, inboxPrefix } from '../../../bus/subjects.ts';
import { ConflictError } from '../../../bus/types.ts';
import { fixedLogin } from '../../../bus/users/login.ts';
import { until } from '../../until.ts';
import { resources, startMesh, watch } from '../harness.ts';

suite('the chain of the log', () => {
  test('is verified by whoever joins, follows or asks for history: a commit that does not follow is damage', async (t) => {
    const { mesh, control, link, commit } = await log(t);
    for (let n = 0; n < 3; n++) await commit(`r${n}`);
    const before = await control.config.load();
    const live = await watch((await mesh.open('proxy', { confirmMs: 100 })).config, applyCommit);
    // Signed, of the right number, and of another history.
    const body = { v: 1, id: randomUUID(), parent: 3, parentDigest: `sha256:${'0'.repeat(64)}`, epoch: 0, time: '' };
    const change = { upserts: resources(1, 'forked', 'forked'), removals: [] };
    await publish(link, mesh, { ...body, author: '', message: 'forked', change });
    const damage = /revision 4 of the configuration log does not follow from the one before it/;
    await assert.rejects(control.config.load(), (error) => error instanceof DamagedError && damage.test(error.message));
    await assert.rejects(control.config.at(4), damage);
    assert.equal((await control.config.at(3))?.digest, before.digest);
    let told = '';
    const joiner = await mesh.open('proxy');
    const joining = joiner.config.follow(null, {
      commit: () => {},
      state: () => {},
      damaged: (why) => {
        told = why ?? 'over';
      },
    });
    joining.catch(() => {});
    await until('who joins is told', () => damage.test(told));
    assert.deepEqual([live.state.revision, live.state.resources.has('Thing/default/forked0')], [3, false]);
    const history = await control.config.history(10);
    assert.deepEqual(
      history.map(({ revision }) => revision),
      [4],
    );
    const whole = [...before.resources].map(([key, value]) => ({ key, body: value }));
    await control.config.restore({ author: '', message: '', resources: whole, at: before });
    await until('a restore mends it', () => told === 'over');
    await joining;
    await live.reached(5);
    assert.deepEqual(live.state.resources, before.resources);
    assert.deepEqual((await control.config.load()).resources, before.resources);
  });

  test('takes no commit where another message has come between: that is a conflict, and nothing is written', async (t) => {
    const { control, link, commit } = await log(t);
    await commit('r0');
    const manager = await link.nc.jetstreamManager();
    const { config } = await manager.streams.info(CONFIG_LOG.stream);
    await manager.streams.update(CONFIG_LOG.stream, { ...config, subjects: [...config.subjects, 'weft.config.other'] });
    await link.request('weft.config.other', 'no commit');
    const change = { author: '', message: '', upserts: resources(1, 1, 'late'), removals: [] };
    await assert.rejects(
      control.config.commit({ ...change, parent: 1 }),
      (error) => error instanceof ConflictError && error.actual === 2,
    );
    assert.equal((await control.config.load()).revision, 2);
    assert.equal((await control.config.commit({ ...change, parent: 2 })).revision, 3);
    assert.deepEqual([...(await control.config.load()).resources.keys()], ['Thing/default/r00', 'Thing/default/late0']);
  });
});

async function log(t: TestContext) {
  const mesh = await startMesh();
  t.after(() => mesh.stop());
  const control = await mesh.open('control');
  const login = fixedLogin(mesh.server.credentials.control);
  const names = { name: 'writer', inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX };
  const link = await openLink({ ...names, servers: [mesh.server.url], login, waitMs: 10_000 });
  t.after(() => link.close());
  const commit = async (name: string) => {
    const { revision: parent } = await control.config.load();
    await control.config.commit({ parent, author: '', message: '', upserts: resources(1, 0, name), removals: [] });
  };
  return { mesh, control, link, commit };
}

async function publish(link: Link, mesh: Awaited<ReturnType<typeof startMesh>>, envelope: object): Promise<void> {
  const payload = Buffer.from(JSON.stringify(envelope));
  const head = (await link.leading(CONFIG_LOG.stream, { seq: 1 }))!.headers!;
  for (const name of head.keys()) head.delete(name);
  head.set(SIGNATURE_HEADER, new Seal(mesh.server.credentials.control).sign(payload)!);
  await link.request(CONFIG_LOG.commits, payload, head);
}
