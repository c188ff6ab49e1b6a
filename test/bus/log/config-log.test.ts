import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { applyCommit, EMPTY_STATE } from '../../../bus/log/commit-format.ts';
import { type Bus, BusForbiddenError, ConflictError, TooLargeError } from '../../../bus/types.ts';
import { type Mesh, resources, startMesh, watch } from '../harness.ts';

describe('the configuration log', () => {
  let mesh: Mesh;
  let control: Bus;
  let head = 0;

  const commit = async (
    change: { upserts?: ReturnType<typeof resources>; removals?: string[]; parent?: number },
    bus = control,
  ) => {
    const made = await bus.config.commit({
      parent: change.parent ?? head,
      author: 'test',
      message: `after ${head}`,
      upserts: change.upserts ?? [],
      removals: change.removals ?? [],
    });
    head = made.revision;
    return made;
  };

  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
  });
  after(() => mesh.stop());

  it('begins at revision 0 with nothing', async () => {
    assert.deepEqual(await control.config.load(), EMPTY_STATE);
    assert.deepEqual(await control.config.history(10), []);
    assert.deepEqual((await control.config.at(0))?.resources.size, 0);
    assert.equal(await control.config.at(1), null);
  });

  it('numbers commits densely, each naming its parent, and keeps bodies as they are', async () => {
    const body = { text: 'ü\u0000"', list: [1, null, { a: true }] };
    const first = await commit({ upserts: [{ key: 'Thing/default/a', body }] });
    const second = await commit({ upserts: [{ key: 'Thing/default/b', body: 2 }], removals: ['Thing/default/none'] });
    assert.deepEqual([first.revision, first.parent, second.revision, second.parent], [1, 0, 2, 1]);
    const state = await control.config.load();
    assert.equal(state.revision, 2);
    assert.deepEqual(state.resources.get('Thing/default/a'), body);
  });

  it('lets exactly one of two racing writers win and tells the other the revision', async () => {
    const others = await Promise.all([mesh.open('control'), mesh.open('control')]);
    const outcomes = await Promise.allSettled(
      others.map((bus, n) =>
        bus.config.commit({
          parent: head,
          author: 'test',
          message: 'race',
          upserts: resources(1, n, 'race'),
          removals: [],
        }),
      ),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 1);
    assert.ok(lost[0].reason instanceof ConflictError);
    assert.deepEqual([lost[0].reason.expected, lost[0].reason.actual], [head, head + 1]);
    assert.match(lost[0].reason.message, /revision 3, not 2/);
    head++;
    const winner = outcomes.findIndex((outcome) => outcome.status === 'fulfilled');
    assert.deepEqual((await control.config.load()).resources.get('Thing/default/race0'), { value: winner });
  });

  it('refuses a parent that never was, or is long gone, and writes nothing', async () => {
    await assert.rejects(commit({ parent: 1, upserts: resources(1, 0) }), ConflictError);
    await assert.rejects(commit({ parent: head + 7, upserts: resources(1, 0) }), ConflictError);
    await assert.rejects(commit({ parent: 0, upserts: resources(1, 0) }), ConflictError);
    assert.equal((await control.config.load()).revision, head);
  });

  it('shows followers whole commits, in order, whatever their size', async () => {
    const proxy = await mesh.open('proxy');
    const start = head;
    const mixed: number[] = [];
    const step: typeof applyCommit = (state, commit) => {
      const next = applyCommit(state, commit);
      const rounds = [...next.resources]
        .filter(([key]) => key.includes('whole'))
        .map(([, body]) => JSON.stringify(body));
      // Every part of the state is of the same age.
      if (new Set(rounds).size !== 1) mixed.push(commit.revision);
      return next;
    };
    const loaded = await proxy.config.load();
    const followers = await Promise.all(Array.from({ length: 5 }, () => watch(proxy.config, step, loaded)));
    for (let round = 0; round < 8; round++) {
      const padding = 'x'.repeat([10, 5_000, 20][round % 3]);
      await commit({ upserts: resources(200, { round, padding }, 'whole') });
    }
    await Promise.all(followers.map((follower) => follower.reached(head)));
    for (const follower of followers) {
      assert.deepEqual(
        follower.commits,
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) => start + n),
      );
      assert.deepEqual(follower.state, await control.config.load());
    }
    assert.deepEqual(mixed, []);
  });

  for (const size of [255 * 1024, 257 * 1024, 1_048_000, 1_048_576, 1_050_000, 5_000_000]) {
    it(`carries a change of ${size} bytes`, async () => {
      const proxy = await mesh.open('proxy');
      const follower = await watch(proxy.config, applyCommit, await proxy.config.load());
      // Random, so that compression does not make it small again.
      const body = randomBytes(size)
        .toString('latin1')
        .replaceAll(/[^\x20-\x7e]/g, '~')
        .replaceAll(/["\\]/g, '_');
      await commit({ upserts: [{ key: 'Thing/default/large', body }] });
      await follower.reached(head);
      assert.equal(follower.state.resources.get('Thing/default/large'), body);
      assert.equal((await control.config.load()).resources.get('Thing/default/large'), body);
      await commit({ removals: ['Thing/default/large'] });
    });
  }

  it('refuses a change beyond the limit before anything is written', async () => {
    await assert.rejects(
      commit({ upserts: [{ key: 'Thing/default/huge', body: 'x'.repeat(33 * 1024 * 1024) }] }),
      (error) => error instanceof TooLargeError && /at most 33554432/.test(error.message),
    );
    assert.equal((await control.config.load()).revision, head);
  });

  it('keeps 1,000 resources in one commit', async () => {
    await commit({ upserts: resources(1_000, 'many', 'many') });
    const state = await (await mesh.open('proxy')).config.load();
    assert.equal([...state.resources.keys()].filter((key) => key.includes('/many')).length, 1_000);
    await commit({ removals: resources(1_000, 0, 'many').map(({ key }) => key) });
  });

  it('tells history newest first and any older state exactly', async () => {
    const history = await control.config.history(3);
    assert.deepEqual(
      history.map(({ revision }) => revision),
      [head, head - 1, head - 2],
    );
    assert.equal(history[0].removals.length, 1_000);
    assert.equal(history[1].upserts.length, 1_000);
    assert.equal(history[0].author, 'test');
    assert.match(history[0].time, /^\d{4}-\d\d-\d\dT/);
    const first = await control.config.at(1);
    assert.deepEqual([first?.revision, [...(first?.resources.keys() ?? [])]], [1, ['Thing/default/a']]);
    assert.equal((await control.config.at(head - 1))?.resources.has('Thing/default/many999'), true);
    assert.equal(await control.config.at(head + 1), null);
  });

  it('gives a follower that begins far behind the whole state at once', async () => {
    for (let n = 0; n < 40; n++) await commit({ upserts: resources(1, n) });
    const follower = await watch((await mesh.open('proxy')).config, applyCommit);
    assert.deepEqual([follower.states, follower.commits], [[head], []]);
    await commit({ upserts: resources(1, 'next') });
    await follower.reached(head);
    assert.deepEqual(follower.commits, [head]);
  });

  it('ends a follower when its bus is closed, and tells it nothing more', async () => {
    const proxy = await mesh.open('proxy');
    const follower = await watch(proxy.config, applyCommit, await proxy.config.load());
    await proxy.close();
    await commit({ upserts: resources(1, 'unheard') });
    assert.equal(follower.commits.length, 0);
    await follower.close();
  });

  it('lets no proxy commit', async () => {
    const proxy = await mesh.open('proxy');
    await assert.rejects(commit({ upserts: resources(1, 'no') }, proxy), BusForbiddenError);
    assert.equal((await control.config.load()).revision, head);
  });
});

describe('history of the configuration', () => {
  it('is trimmed, but never beyond what the newest state is made of', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const history = { manifestEvery: 5, commits: 10, maxAgeMs: 3_600_000 };
    let writer = await mesh.open('control', { history });
    let head = 0;
    for (let n = 0; n < 42; n++) {
      const padding = n % 7 === 0 ? randomBytes(300_000).toString('hex') : '';
      const upserts = [{ key: `Thing/default/${n % 4}`, body: { n, padding } }];
      const made = await writer.config.commit({ parent: head, author: '', message: '', upserts, removals: [] });
      head = made.revision;
      if (head % 5 !== 0) continue;
      // Closing waits for the manifest that is being written.
      await writer.close();
      writer = await mesh.open('control', { history });
    }
    const reader = await mesh.open('control');
    const kept = await reader.config.history(1_000);
    assert.ok(kept.length >= 10 && kept.length <= 20, `${kept.length} commits kept`);
    assert.equal(kept[0].revision, 42);
    const oldest = kept.at(-1)!.revision;
    const state = await reader.config.load();
    assert.deepEqual([...state.resources.values()].map((body) => (body as { n: number }).n).sort(), [38, 39, 40, 41]);
    for (let revision = oldest; revision <= 42; revision++) {
      const at = await reader.config.at(revision);
      const newest = Math.max(...[...at!.resources.values()].map((body) => (body as { n: number }).n));
      assert.equal(newest, revision - 1);
    }
    assert.equal(await reader.config.at(oldest - 2), null);
    const behind = await watch((await mesh.open('proxy')).config, applyCommit, {
      ...EMPTY_STATE,
      revision: 3,
      digest: 'x',
    });
    assert.deepEqual(behind.state, state);
  });

  it('ends by age, except for the newest commit', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const writer = await mesh.open('control', { history: { manifestEvery: 3, commits: 1_000, maxAgeMs: -1 } });
    for (let head = 0; head < 9; head++) {
      await writer.config.commit({ parent: head, author: '', message: '', upserts: resources(1, head), removals: [] });
    }
    await writer.close();
    const reader = await mesh.open('control');
    const kept = await reader.config.history(1_000);
    assert.equal(kept[0].revision, 9);
    assert.ok(kept.length < 9);
    const next = { parent: 9, author: '', message: '', upserts: resources(1, 'next'), removals: [] };
    assert.equal((await reader.config.commit(next)).revision, 10);
    assert.deepEqual((await reader.config.load()).resources.get('Thing/default/r0'), { value: 'next' });
  });
});
