import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FolderWatch } from '../../../core/main/folder-watch.ts';

const PATIENCE_MS = 20_000;

test('a file that is replaced by a rename is noticed each time, in the folder and below it', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-watch-'));
  const events = new EventEmitter();
  const failures: Error[] = [];
  const watch = new FolderWatch(
    dir,
    () => events.emit('change'),
    (error) => failures.push(error),
  );
  t.after(async () => {
    watch.close();
    await rm(dir, { recursive: true });
  });
  const replace = async (folder: string): Promise<void> => {
    await writeFile(join(folder, '.next'), 'new');
    const changed = once(events, 'change', { signal: AbortSignal.timeout(PATIENCE_MS) });
    await rename(join(folder, '.next'), join(folder, 'a.yaml'));
    await changed;
    // What is left of this one is not taken for the next.
    await new Promise((resolve) => setImmediate(resolve));
  };
  await watch.refresh();
  for (let i = 0; i < 5; i++) await replace(dir);
  const below = join(dir, 'below');
  await mkdir(below);
  await watch.refresh();
  for (let i = 0; i < 5; i++) await replace(below);
  await rm(below, { recursive: true });
  await watch.refresh();
  await replace(dir);
  assert.deepEqual(failures, []);
});
