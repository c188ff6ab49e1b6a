import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { watchFolder } from '../../../cli/plugin/watch.ts';

const PATIENCE_MS = 20_000;

async function watched(t: TestContext, prepare: (folder: string) => Promise<void> = async () => {}) {
  const folder = await mkdtemp(join(tmpdir(), 'weft-plugin-'));
  await prepare(folder);
  const calls = new EventEmitter();
  let held: Promise<unknown> = Promise.resolve();
  const watching = watchFolder(folder, async (files) => {
    calls.emit('call', files);
    await held;
  });
  t.after(async () => {
    await watching.stop();
    await rm(folder, { recursive: true });
  });
  const call = async (): Promise<readonly string[]> =>
    (await once(calls, 'call', { signal: AbortSignal.timeout(PATIENCE_MS) }))[0];
  assert.deepEqual(await call(), [], 'called once before anything is saved');
  return {
    folder,
    watching,
    /** What the next call is told. */
    async told(act: () => Promise<unknown>): Promise<readonly string[]> {
      const next = call();
      await act();
      return next;
    },
    /** Calls do not return before this does. */
    hold(until: Promise<unknown>): void {
      held = until;
    },
  };
}

async function replace(folder: string, name: string, text: string): Promise<void> {
  await writeFile(join(folder, `.${name}.next`), text);
  await rename(join(folder, `.${name}.next`), join(folder, name));
}

suite('a folder of a plugin is watched', () => {
  test('a file that an editor replaces by a rename is told by its name each time', async (t) => {
    const { folder, told } = await watched(t);
    for (let i = 0; i < 4; i++) {
      assert.deepEqual(await told(() => replace(folder, 'plugin.ts', `${i}`)), ['plugin.ts']);
    }
  });

  test('files of new folders are told, also when those folders come again', async (t) => {
    const { folder, told } = await watched(t);
    const tests = join(folder, 'tests', 'more');
    for (let i = 0; i < 2; i++) {
      const first = await told(async () => {
        await mkdir(tests, { recursive: true });
        await writeFile(join(tests, 'a.yaml'), 'a');
      });
      assert.deepEqual(first, [join('tests', 'more', 'a.yaml')]);
      assert.deepEqual(await told(() => replace(tests, 'a.yaml', 'b')), [join('tests', 'more', 'a.yaml')]);
      assert.deepEqual(await told(() => rm(join(folder, 'tests'), { recursive: true })), []);
    }
  });

  test('what builds, editors and package managers write is no save', async (t) => {
    const { folder, told } = await watched(t, async (folder) => {
      for (const name of ['build', 'target', 'node_modules', '.git']) await mkdir(join(folder, name));
    });
    const files = await told(async () => {
      for (const name of ['build', 'target', 'node_modules', '.git']) await writeFile(join(folder, name, 'a'), 'a');
      for (const name of ['.plugin.ts.swp', 'plugin.ts~', 'mesh-plugins.lock', 'plugin.ts']) {
        await writeFile(join(folder, name), 'a');
      }
    });
    assert.deepEqual(files, ['plugin.ts']);
  });

  test('a file that is saved while a call runs is told by the next one, when that has returned', async (t) => {
    const { folder, told, hold } = await watched(t);
    const { promise, resolve: release } = Promise.withResolvers<void>();
    hold(promise);
    await told(() => replace(folder, 'a.ts', 'a'));
    let second: readonly string[] | null = null;
    const next = told(() => replace(folder, 'b.ts', 'b')).then((files) => {
      second = files;
    });
    await replace(folder, 'c.ts', 'c');
    // Far more than it takes to notice a save.
    await delay(200);
    assert.equal(second, null);
    release();
    await next;
    assert.deepEqual([...second!].sort(), ['b.ts', 'c.ts']);
  });
});
