import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { applyCommit } from '../../bus/log/commit-format.ts';
import { type Bus, BusUnavailableError, type ConfigState, ConflictError, type ProxyStatus } from '../../bus/types.ts';
import { until } from '../until.ts';
import { type Mesh, resources, startMesh, watch } from './harness.ts';

/** Commits until it stands, as a user who is told "try again" would. Returns what was really committed, by revision. */
async function commitStubbornly(bus: Bus, key: string, values: readonly number[]): Promise<Map<number, number>> {
  const made = new Map<number, number>();
  for (const value of values) {
    for (;;) {
      try {
        const { revision, resources: known } = await bus.config.load();
        // An unanswered commit may have been made: look before doing it again.
        if ((known.get(key) as { value: number } | undefined)?.value === value) break;
        const upserts = [{ key, body: { value } }];
        const commit = await bus.config.commit({ parent: revision, author: '', message: '', upserts, removals: [] });
        made.set(commit.revision, value);
        break;
      } catch (error) {
        if (!(error instanceof BusUnavailableError || error instanceof ConflictError)) throw error;
        await delay(20);
      }
    }
  }
  return made;
}

describe('while nats-server is killed and started again', () => {
  let mesh: Mesh;
  before(async () => {
    mesh = await startMesh();
  });
  after(() => mesh.stop());

  it('no commit that was confirmed is lost, and every follower ends with the state of the log', async () => {
    const writers = await Promise.all([mesh.open('control'), mesh.open('control')]);
    const proxies = await Promise.all(Array.from({ length: 6 }, () => mesh.open('proxy')));
    const followers = await Promise.all(proxies.map((proxy) => watch(proxy.config, applyCommit)));
    const values = Array.from({ length: 60 }, (_, n) => n);
    const writing = Promise.all(writers.map((bus, n) => commitStubbornly(bus, `Thing/default/w${n}`, values)));
    for (const revision of [10, 40, 80]) {
      await followers[0].reached(revision);
      await mesh.kill();
      await mesh.start();
    }
    const confirmed = await writing;
    const reader = await mesh.open('control');
    const state = await reader.config.load();
    assert.deepEqual(
      [...state.resources],
      [...state.resources.keys()].map((key) => [key, { value: 59 }]),
    );
    const history = await reader.config.history(1_000);
    const byRevision = new Map(history.map((commit) => [commit.revision, commit]));
    confirmed.forEach((made, n) => {
      for (const [revision, value] of made) {
        assert.deepEqual(byRevision.get(revision)?.upserts, [{ key: `Thing/default/w${n}`, body: { value } }]);
      }
    });
    await Promise.all(followers.map((follower) => follower.reached(state.revision)));
    for (const follower of followers) {
      // How much is known of what was before depends on where one began.
      assert.deepEqual({ ...follower.state, ancestors: [] }, { ...state, ancestors: [] });
      const seen = follower.commits;
      assert.deepEqual(
        seen,
        [...new Set(seen)].sort((a, b) => a - b),
        'each commit once and in order',
      );
      if (follower.states.length === 0) assert.equal(seen.length, state.revision);
    }
  });

  it('a commit is refused at once while it is away, with a sentence, and works when it is back', async () => {
    const control = await mesh.open('control');
    const { revision } = await control.config.load();
    const change = { parent: revision, author: '', message: '', upserts: resources(1, 'away'), removals: [] };
    await mesh.kill();
    await until('the connection is seen to be lost', () => !control.connected);
    await assert.rejects(
      control.config.commit(change),
      (error) =>
        error instanceof BusUnavailableError && error.outcome === 'nothing' && /not connected/.test(error.message),
    );
    await mesh.start();
    await until('the connection is back', () => control.connected);
    assert.equal((await control.config.commit(change)).revision, revision + 1);
  });

  it('leases and statuses come back, also those that changed meanwhile', async () => {
    const [control, proxy] = [await mesh.open('control'), await mesh.open('proxy', { node: 'p1' })];
    const sets: string[][] = [];
    const statuses: ProxyStatus[] = [];
    await control.leases.follow((leases) => sets.push([...leases.values()].map((lease) => lease.admin).sort()));
    await control.statuses.follow((status) => statuses.push(status));
    const lease = (admin: string) => ({
      proxy: 'p1',
      ttlMs: 60_000,
      node: {},
      endpoints: [],
      admin,
      version: '',
      startedAt: '',
    });
    const held = await proxy.leases.hold(lease('before'));
    await until('the lease is seen', () => sets.at(-1)?.[0] === 'before');
    await mesh.kill();
    await until('the connection is seen to be lost', () => !proxy.connected);
    held.update(lease('after'));
    const status = { proxy: 'p1', revision: 7, ok: true, problems: [], shards: 1, ms: 1, time: '' };
    proxy.statuses.report(status);
    assert.deepEqual(sets.at(-1), ['before'], 'the last set stays');
    await mesh.start();
    await until('the lease is renewed with what changed', () => sets.at(-1)?.[0] === 'after');
    await until('the status is said again', () => statuses.at(-1)?.revision === 7);
    await held.withdraw();
    await until('the lease is withdrawn', () => sets.at(-1)?.length === 0);
  });

  it('a follower that begins while nobody is there gets everything when it comes', async () => {
    const [control, proxy] = [await mesh.open('control'), await mesh.open('proxy')];
    await mesh.kill();
    await until('the connection is seen to be lost', () => !proxy.connected);
    let state: ConfigState | null = null;
    const following = proxy.config.follow(null, {
      commit: () => {},
      state: (whole) => {
        state = whole;
      },
    });
    await mesh.start();
    await following;
    await until('the connection is back', () => control.connected);
    assert.deepEqual(state, await control.config.load());
  });

  it('a log that was replaced by a younger one is the truth for who holds nothing against it', async () => {
    const [control, proxy] = [await mesh.open('control'), await mesh.open('proxy')];
    const follower = await watch(proxy.config, applyCommit);
    assert.ok(follower.state.revision > 3);
    await mesh.crash();
    await until('the control plane has made the streams again', () => answers(control));
    for (const parent of [0, 1]) await commit(control, parent, `young${parent}`);
    // What is not heard on a busy machine is made up for by the next look, half a minute later.
    await until('the younger log is followed', () => follower.state.revision === 2, 60_000);
    assert.deepEqual(follower.state, await control.config.load());
  });
});

async function answers({ config }: Bus): Promise<boolean> {
  return config.load().then(
    () => true,
    () => false,
  );
}

async function commit({ config }: Bus, parent: number, name: string): Promise<void> {
  await config.commit({ parent, author: '', message: '', upserts: resources(1, parent, name), removals: [] });
}
