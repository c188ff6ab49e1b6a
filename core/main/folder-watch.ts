// Tells that something below a folder has changed. On Linux Node's own recursive watch loses files that are replaced by a
// rename, as editors and deployments do it; so every folder is watched by itself there.

import { type FSWatcher, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Beyond this many folders changes are found by those who look. */
const MAX_FOLDERS = 1_000;
const RECURSIVE = process.platform !== 'linux';
const IGNORED = /[/\\](\.|node_modules([/\\]|$))/;

export class FolderWatch {
  private readonly dir: string;
  private readonly changed: () => void;
  private readonly failed: (error: Error) => void;
  private readonly watchers = new Map<string, FSWatcher>();
  private closed = false;

  /** `failed`: the system does not watch, or no longer. Neither is called before `refresh`. */
  constructor(dir: string, changed: () => void, failed: (error: Error) => void) {
    this.dir = dir;
    this.changed = changed;
    this.failed = failed;
  }

  /** Watches the folders that there are now. To be called before they are read, whenever something has changed. */
  async refresh(): Promise<void> {
    const folders = new Set([this.dir, ...(RECURSIVE ? [] : await this.below())]);
    if (this.closed) return;
    for (const [path, watcher] of this.watchers) {
      if (folders.has(path)) continue;
      watcher.close();
      this.watchers.delete(path);
    }
    for (const path of folders) {
      if (!this.watchers.has(path) && this.watchers.size < MAX_FOLDERS) this.watch(path);
    }
  }

  close(): void {
    this.closed = true;
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  private async below(): Promise<string[]> {
    const entries = await readdir(this.dir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !IGNORED.test(path.slice(this.dir.length)));
  }

  private watch(path: string): void {
    try {
      const watcher = watch(path, { persistent: false, recursive: RECURSIVE });
      this.watchers.set(path, watcher);
      watcher.on('change', this.changed);
      watcher.on('error', (error) => {
        this.watchers.delete(path);
        watcher.close();
        this.failed(error);
      });
    } catch (error) {
      // It may be gone by now; the table of watches may be full.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.failed(error as Error);
    }
  }
}
