import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../../bus/types.ts';
import { type KeptState, StateFolder } from '../../../core/main/state.ts';
import { StateFile } from '../../../core/main/state-file.ts';
import { until } from '../../until.ts';
import { lines } from './harness.ts';

const at = (revision: number): Position => ({ revision, digest: `sha256:${revision}`, epoch: 0, ancestors: [] });
const kept = (revision: number): KeptState => ({
  at: at(revision),
  resources: [{ key: 'Thing/default/a', body: revision }],
  endpoints: [],
});

suite('the last good configuration on disk', () => {
  test('comes back as it was kept, readable by its owner alone, with nothing left beside it', async (t) => {
    const { dir, state } = await folder(t);
    state.save(() => kept(1));
    state.save(() => ({ ...kept(2), endpoints: ['there'] }));
    await state.close();
    assert.deepEqual(await state.load(), { ...kept(2), endpoints: ['there'] });
    assert.deepEqual(await readdir(dir), ['last-good.json']);
    assert.equal((await stat(join(dir, 'last-good.json'))).mode & 0o777, 0o600);
  });

  test('is the newest two: one that cannot be used costs one revision', async (t) => {
    const { dir, state, log } = await folder(t);
    await keep(dir, [kept(1), kept(2), kept(3), { ...kept(3), endpoints: ['more'] }]);
    const newest = join(dir, 'last-good.json');
    await truncate(newest, 50);
    assert.deepEqual(await state.load(), kept(2));
    assert.match(log.all.join(), /last-good\.json is not used/);
    // What is damaged does not take the place of what is not.
    const next = new StateFolder(dir, log.log);
    await next.load();
    next.save(() => kept(4));
    await next.close();
    await rm(newest);
    assert.deepEqual(await next.load(), kept(2));
  });

  test('of which the newest is refused by who would use it gives the one before', async (t) => {
    const { dir, state, log } = await folder(t);
    await keep(dir, [kept(1), kept(2)]);
    const used = await state.load(async ({ at: { revision } }) => {
      if (revision === 2) throw new Error('no port is free');
    });
    assert.deepEqual(used, kept(1));
    assert.match(log.all.join(), /last-good\.json is not used: no port is free/);
  });

  test('is not there at first', async (t) => {
    const { state, log } = await folder(t);
    assert.equal(await state.load(), null);
    assert.deepEqual(log.all, []);
  });

  for (const [what, text] of [
    ['half written', '{"format":1,"revision":3,"resou'],
    ['of another version', JSON.stringify({ format: 99, ...kept(3) })],
    ['without its place in a log', JSON.stringify({ format: 2, ...kept(3), at: { revision: 3 } })],
    ['something else', '[]'],
    ['nothing', 'null'],
  ]) {
    test(`is not used when it is ${what}, and the log says so`, async (t) => {
      const { dir, state, log } = await folder(t);
      await writeFile(join(dir, 'last-good.json'), text);
      assert.equal(await state.load(), null);
      assert.match(log.all.join(), /last-good\.json is not used/);
    });
  }

  test('that cannot be written is said once, and nothing fails', async (t) => {
    const { dir, log } = await folder(t);
    await writeFile(join(dir, 'file'), '');
    const state = new StateFile(join(dir, 'file', 'a.json'), 'the last good configuration', log.log);
    for (const revision of [1, 2]) {
      state.save(() => kept(revision));
      await delay(300);
    }
    await state.close();
    assert.equal(log.all.length, 1);
    assert.match(log.all[0], /warning state: the last good configuration cannot be kept/);
  });

  test('that a full disk did not take is written once there is room, and that is said', async (t) => {
    const { dir, log } = await folder(t);
    const path = join(dir, 'a.json');
    // Whatever is written there finds no space left.
    await symlink('/dev/full', `${path}.new`);
    const state = new StateFile(path, 'the certificate', log.log, 50);
    state.save(() => kept(1));
    await until('it is told', () => log.all.length === 1);
    assert.match(log.all[0], /warning state: the certificate cannot be kept: /);
    await rm(`${path}.new`);
    await until('it is kept', () => log.all.length === 2);
    assert.match(log.all[1], /info state: the certificate is kept again/);
    assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), kept(1));
    await state.close();
  });
});

async function folder(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'weft-state-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const log = lines();
  return { dir, log, state: new StateFolder(dir, log.log) };
}

/** One after the other, each by a run of its own. */
async function keep(dir: string, states: readonly KeptState[]): Promise<void> {
  for (const each of states) {
    const state = new StateFolder(dir, assert.fail);
    await state.load();
    state.save(() => each);
    await state.close();
  }
}
