// Watches a plugin's folder: one call at a time, again when something was saved meanwhile. What builds write is no change.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { watch } from 'chokidar';
import { note, paint } from '../output.ts';

export interface Watching {
  /** Ends it; resolves when the call that runs has returned. */
  stop(): Promise<void>;
}

/** An editor writes a file in several steps. */
const SETTLE_MS = 25;
const IGNORED = /^(node_modules|build|target|\..*|.*~|mesh-plugins\.lock)$/;

/** Calls `work` as soon as it watches, and after every save, with the files that were saved (none at first) and when the first was. */
export function watchFolder(
  folder: string,
  work: (files: readonly string[], savedAt: number) => Promise<void>,
): Watching {
  const saved = new Set<string>();
  let savedAt = performance.now();
  let due = true;
  let stopped = false;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    if (running !== null || stopped || !due) return;
    due = false;
    // Who writes to a file of another name first and then renames it has left only the one.
    const files = [...saved].filter((file) => existsSync(join(folder, file)));
    saved.clear();
    running = work(files, savedAt).finally(() => {
      running = null;
      next();
    });
  };
  const ignored = (path: string): boolean =>
    relative(folder, path)
      .split(/[/\\]/)
      .some((name) => IGNORED.test(name));
  const watcher = watch(folder, { ignored, ignoreInitial: true });
  watcher.on('all', (event, path) => {
    if (event === 'addDir' || event === 'unlinkDir') return;
    if (saved.size === 0) savedAt = performance.now();
    saved.add(relative(folder, path));
    clearTimeout(timer);
    timer = setTimeout(() => {
      due = true;
      next();
    }, SETTLE_MS);
  });
  watcher.on('ready', next);
  watcher.on('error', (error) => {
    note(
      `${paint('yellow', 'warning:', process.stderr)} some of ${folder} is not watched: ${(error as Error).message}`,
    );
  });
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await watcher.close();
      await running;
    },
  };
}
