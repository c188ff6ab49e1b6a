// Watches a plugin's folder: one call at a time, again when something was saved meanwhile. What builds write is no change.
import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join, relative } from 'node:path';

export interface Watching {
  /** Ends it; resolves when the call that runs has returned. */
  stop(): Promise<void>;
}

/** An editor writes a file in several steps. */
const SETTLE_MS = 25;
const IGNORED = /^(node_modules|build|target|\..*|.*~|mesh-plugins\.lock)$/;
const MOST_FOLDERS = 200;

/** Calls `work` at once, and after every save, with the files that were saved (none at first) and when the first was. */
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
  const folders = new Folders(folder, (file) => {
    if (stopped) return;
    if (saved.size === 0) savedAt = performance.now();
    saved.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      due = true;
      next();
    }, SETTLE_MS);
  });
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      folders.close();
      await running;
    },
  };
}

/** A watcher for each folder: Node's own for whole trees loses files that are replaced on Linux. */
class Folders {
  private readonly root: string;
  private readonly saved: (file: string) => void;
  private readonly watchers = new Map<string, FSWatcher>();

  constructor(root: string, saved: (file: string) => void) {
    this.root = root;
    this.saved = saved;
    this.add(root);
  }

  close(): void {
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  private add(folder: string): void {
    if (this.watchers.has(folder) || this.watchers.size >= MOST_FOLDERS) return;
    const watcher = watch(folder, (event, name) => {
      if (name === null || IGNORED.test(name)) return;
      // A folder that came.
      if (event === 'rename') this.addBelow(folder);
      this.saved(relative(this.root, join(folder, name)));
    });
    watcher.on('error', () => this.drop(folder));
    this.watchers.set(folder, watcher);
    this.addBelow(folder);
  }

  private addBelow(folder: string): void {
    if (!existsSync(folder)) {
      this.drop(folder);
      return;
    }
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !IGNORED.test(entry.name)) this.add(join(folder, entry.name));
    }
  }

  /** It is gone. */
  private drop(folder: string): void {
    this.watchers.get(folder)?.close();
    this.watchers.delete(folder);
  }
}
