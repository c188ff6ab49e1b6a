import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { StateFolder } from '../../../core/main/state.ts';
import { lines } from './harness.ts';

suite('the last good configuration on disk', () => {
  test('comes back as it was kept, readable by its owner alone, with nothing left beside it', async (t) => {
    const { dir, state } = await folder(t);
    state.save(() => ({ revision: 1, resources: ['old'], endpoints: [] }));
    state.save(() => ({ revision: 2, resources: ['new'], endpoints: ['there'] }));
    await state.close();
    assert.deepEqual(await state.load(), { revision: 2, resources: ['new'], endpoints: ['there'] });
    assert.deepEqual(await readdir(dir), ['last-good.json']);
    assert.equal((await stat(join(dir, 'last-good.json'))).mode & 0o777, 0o600);
  });

  test('is not there at first', async (t) => {
    const { state, log } = await folder(t);
    assert.equal(await state.load(), null);
    assert.deepEqual(log.all, []);
  });

  for (const [what, text] of [
    ['half written', '{"format":1,"revision":3,"resou'],
    ['of another version', '{"format":99,"revision":3,"resources":[],"endpoints":[]}'],
    ['something else', '[]'],
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
    const state = new StateFolder(join(dir, 'file'), log.log);
    for (let revision = 1; revision <= 2; revision++) {
      state.save(() => ({ revision, resources: [], endpoints: [] }));
      await state.close();
    }
    assert.equal(log.all.length, 1);
    assert.match(log.all[0], /warning state: the last good configuration cannot be kept/);
  });
});

async function folder(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'weft-state-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const log = lines();
  return { dir, log, state: new StateFolder(dir, log.log) };
}
