import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { watchFolder } from '../../../core/main/folder-watch.ts';

const PATIENCE_MS = 20_000;

interface Watched {
  /** Below a hidden folder: only what lies in the watched one is judged. */
  readonly dir: string;
  /** Beside it. */
  readonly other: string;
  readonly failures: Error[];
  count(): number;
  /** Does something and waits until it is told. */
  told(act: () => Promise<unknown>): Promise<void>;
}

async function watched(t: TestContext, prepare: (dir: string) => Promise<void> = async () => {}): Promise<Watched> {
  const root = await mkdtemp(join(tmpdir(), 'weft-watch-'));
  const dir = join(root, '.config', 'mesh');
  const other = join(root, 'other');
  await mkdir(dir, { recursive: true });
  await mkdir(other);
  await prepare(dir);
  const events = new EventEmitter();
  const failures: Error[] = [];
  let count = 0;
  const watcher = await watchFolder(
    dir,
    () => {
      count++;
      events.emit('change');
    },
    (error) => failures.push(error),
  );
  t.after(async () => {
    await watcher.close();
    await rm(root, { recursive: true });
  });
  return {
    dir,
    other,
    failures,
    count: () => count,
    async told(act) {
      const change = once(events, 'change', { signal: AbortSignal.timeout(PATIENCE_MS) });
      await act();
      await change;
      // What is left of this one is not taken for the next.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Whole at once, as editors and deployments do it. */
async function replace(folder: string, text: string): Promise<void> {
  await writeFile(join(folder, '.next'), text);
  await rename(join(folder, '.next'), join(folder, 'a.yaml'));
}

/** As the kubelet updates a mounted ConfigMap. The folder of the version before stays. */
async function mount(dir: string, version: string): Promise<void> {
  await mkdir(join(dir, `..${version}`));
  await writeFile(join(dir, `..${version}`, 'a.yaml'), version);
  await symlink(`..${version}`, join(dir, '..data_tmp'));
  await rename(join(dir, '..data_tmp'), join(dir, '..data'));
}

suite('a folder of configuration is watched', () => {
  test('a file that is replaced by a rename is noticed each time, in the folder and below it', async (t) => {
    const { dir, told, failures } = await watched(t);
    for (let i = 0; i < 5; i++) await told(() => replace(dir, `${i}`));
    const below = join(dir, 'below', 'deeper');
    await told(() => mkdir(below, { recursive: true }));
    for (let i = 0; i < 5; i++) await told(() => replace(below, `${i}`));
    await told(() => rm(join(dir, 'below'), { recursive: true }));
    await told(() => replace(dir, 'last'));
    assert.deepEqual(failures, []);
  });

  test('a folder that comes with its files is noticed, and so is what changes in it at once', async (t) => {
    const { dir, other, told } = await watched(t);
    await replace(other, 'first');
    await told(() => rename(other, join(dir, 'came')));
    for (let i = 0; i < 3; i++) await told(() => appendFile(join(dir, 'came', 'a.yaml'), 'more'));
  });

  test('a ConfigMap is noticed each time that it is mounted anew, also while its old version is still there', async (t) => {
    const { dir, told } = await watched(t, async (dir) => {
      await mount(dir, '0');
      await symlink('..data/a.yaml', join(dir, 'a.yaml'));
    });
    for (let i = 1; i <= 3; i++) await told(() => mount(dir, `${i}`));
    await told(async () => {
      await mount(dir, '4');
      await rm(join(dir, '..3'), { recursive: true });
    });
  });

  test('a link is followed to the file or the folder that it names', async (t) => {
    const { dir, other, told } = await watched(t);
    await replace(other, 'first');
    await told(() => symlink(join(other, 'a.yaml'), join(dir, 'b.yaml')));
    await told(() => appendFile(join(other, 'a.yaml'), 'more'));
    await told(() => symlink(other, join(dir, 'linked')));
    await told(() => writeFile(join(other, 'c.yaml'), 'new'));
  });

  test('the folder itself may go and come back', async (t) => {
    const { dir, told, failures } = await watched(t, (dir) => replace(dir, 'first'));
    await told(() => rm(dir, { recursive: true }));
    await told(() => mkdir(dir));
    await told(() => replace(dir, 'second'));
    assert.deepEqual(failures, []);
  });

  test('hidden files, hidden folders and packages are nobody’s configuration', async (t) => {
    const { dir, told, count } = await watched(t, async (dir) => {
      await mkdir(join(dir, '.git'));
      await mkdir(join(dir, 'node_modules'));
    });
    await told(async () => {
      await writeFile(join(dir, '.git', 'HEAD'), 'x');
      await writeFile(join(dir, 'node_modules', 'a.yaml'), 'x');
      await writeFile(join(dir, '.a.yaml.swp'), 'x');
      await writeFile(join(dir, 'a.yaml'), 'x');
    });
    assert.equal(count(), 1);
  });
});
