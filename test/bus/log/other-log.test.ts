import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { applyCommit, EMPTY_STATE } from '../../../bus/log/commit-format.ts';
import type { Bus, ConfigState, OtherLog, Position, Subscription } from '../../../bus/types.ts';
import { until } from '../../until.ts';
import { type Mesh, startMesh } from '../harness.ts';

suite('a follower that runs what it was told', () => {
  test('holds a log that was lost, however far the new one goes, until one is made to begin anew', async (t) => {
    const { mesh, control, follow, commit } = await log(t);
    for (let revision = 0; revision < 3; revision++) await commit(`old${revision}`);
    const follower = await follow();
    await mesh.crash();
    await until('the empty log is told of', () => follower.held?.reason === 'its log is empty');
    assert.equal(follower.state.revision, 3);
    for (const [name, reason] of [
      ['young', 'its log ends at revision 1'],
      ['younger', 'its log ends at revision 2'],
      ['youngest', 'its log has another revision 3'],
      ['beyond', 'its log has another revision 3'],
    ]) {
      const revision = await commit(name);
      await until(`${name} is told of`, () => follower.held?.revision === revision);
      assert.equal(follower.held?.reason, reason);
    }
    assert.deepEqual(
      [...follower.state.resources.keys()],
      ['Thing/default/old0', 'Thing/default/old1', 'Thing/default/old2'],
    );
    await commit('anew', EMPTY_STATE);
    await until('it is over', () => follower.held === null);
    assert.deepEqual(known(follower.state), known(await control.config.load()));
    const next = await commit('next');
    await until('the next commit is followed', () => follower.state.revision === next);
    assert.deepEqual(known(follower.state), known(await control.config.load()));
  });

  test('holds an empty log also when it began before that was there, and goes on when the old one is back', async (t) => {
    const { mesh, follow, commit } = await log(t);
    await commit('one');
    await commit('two');
    const restore = await mesh.copy();
    const { state } = await follow();
    await mesh.crash();
    const late = await follow(state);
    assert.equal(late.held?.reason, 'its log is empty');
    await restore();
    await until('the old log is back', () => late.held === null);
    assert.deepEqual(late.state, state);
    await commit('three');
    await until('it goes on', () => late.state.revision === 3);
    assert.deepEqual(late.heard, [3]);
  });

  test('reads anew what went on differently from a revision that it knows, while it was away', async (t) => {
    const { mesh, control, follow, commit } = await log(t);
    await commit('one');
    const restore = await mesh.copy();
    await commit('old two');
    const { state, close } = await follow();
    await close();
    await restore();
    await until('one is there', async () => (await control.config.load().catch(() => EMPTY_STATE)).revision === 1);
    await commit('new two');
    const back = await follow(state);
    assert.equal(back.held, null);
    assert.deepEqual(back.state, await control.config.load());
    assert.ok(back.state.resources.has('Thing/default/new two'));
  });

  test('holds a log that stepped back under it, also once that has grown past it', async (t) => {
    const { mesh, follow, commit } = await log(t);
    await commit('one');
    const restore = await mesh.copy();
    await commit('old two');
    const follower = await follow();
    await restore();
    await until('it is told of', () => follower.held?.reason === 'its log ends at revision 1');
    await commit('new two');
    const three = await commit('new three');
    await until('it is told of again', () => follower.held?.revision === three);
    assert.ok(follower.state.resources.has('Thing/default/old two'));
    await commit('anew', follower.state);
    await until('it is over', () => follower.held === null);
    assert.deepEqual([...follower.state.resources.keys()], ['Thing/default/anew']);
  });

  test('does not take one that was made to begin anew before, and is older than what it runs', async (t) => {
    const { mesh, follow, commit } = await log(t);
    await commit('first', EMPTY_STATE);
    const restore = await mesh.copy();
    await commit('second', EMPTY_STATE);
    const follower = await follow();
    await restore();
    await until('it is told of', () => follower.held?.reason === 'its log ends at revision 1');
    await commit('again');
    await commit('and again');
    await until('it is told of again', () => follower.held?.revision === 3);
    assert.equal(follower.state.revision, 2);
  });
});

/** How much of what was before is known depends on where one began. */
function known(state: ConfigState): ConfigState {
  return { ...state, ancestors: [] };
}

interface Followed {
  state: ConfigState;
  held: OtherLog | null;
  readonly heard: number[];
  close(): Promise<void>;
}

async function log(t: TestContext) {
  const mesh: Mesh = await startMesh();
  t.after(() => mesh.stop());
  const control: Bus = await mesh.open('control');
  const follow = async (from: ConfigState | null = null): Promise<Followed> => {
    const { config } = await mesh.open('proxy', { confirmMs: 200 });
    let subscription: Subscription | null = null;
    const followed: Followed = {
      state: from ?? EMPTY_STATE,
      held: null,
      heard: [],
      close: async () => subscription?.close(),
    };
    subscription = await config.follow(from, {
      commit: (commit) => {
        followed.heard.push(commit.revision);
        followed.state = applyCommit(followed.state, commit);
      },
      state: (state) => {
        followed.state = state;
      },
      held: (other) => {
        followed.held = other;
      },
    });
    return followed;
  };
  /** Onto whatever there is; the new revision. */
  const commit = async (name: string, at?: Position): Promise<number> => {
    let revision = 0;
    await until('the log can be written', async () => {
      const loaded = await control.config.load().catch(() => null);
      if (loaded === null) return false;
      const upserts = [{ key: `Thing/default/${name}`, body: name }];
      const why = { author: '', message: '' };
      if (at !== undefined) ({ revision } = await control.config.restore({ ...why, resources: upserts, at }));
      else ({ revision } = await control.config.commit({ ...why, parent: loaded.revision, upserts, removals: [] }));
      return true;
    });
    return revision;
  };
  return { mesh, control, follow, commit };
}
