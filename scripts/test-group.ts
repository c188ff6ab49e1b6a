// Test files that share a process, one after the other: what several of them load is loaded once. Each is a suite under its path, so
// that its hooks are its own and a failure names it. test.ts writes the entry that calls this.
import { AsyncResource } from 'node:async_hooks';
import { relative } from 'node:path';
import { after, before, suite } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Measured, measured } from './test-process.ts';

/** `files`: absolute. All are loaded, one by one, before the tests of the first begin. */
export function runGroup(root: string, files: readonly string[]): void {
  let loaded: Promise<unknown> = Promise.resolve();
  for (const file of files) {
    const earlier = loaded;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    loaded = promise.catch(() => {});
    suite(relative(root, file), async () => {
      const cost = measured(file);
      before(() => cost.begin());
      // node:test finds by the asynchronous context to whom a test belongs; waiting for what others made loses it.
      const own = new AsyncResource('test file');
      await earlier;
      cost.begin();
      own.runInAsyncScope(load, null, file, cost).then(resolve, reject);
      await promise;
    });
  }
}

async function load(file: string, cost: Measured): Promise<void> {
  try {
    await import(pathToFileURL(file).href);
  } finally {
    cost.end();
  }
  // Behind those of the file.
  after(() => cost.end());
}
