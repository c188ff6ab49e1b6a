// The bytes of plugins on this proxy's disk, by digest, so that it starts without NATS. What is read is checked against its
// digest; what does not fit it is not there.

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from './options.ts';

/** Modules that no plugin runs now are kept for a return to an older revision, up to so many files. */
const KEPT_FILES = 64;

export class ModuleFolder {
  private readonly dir: string;
  private readonly log: Log;

  constructor(dir: string, log: Log) {
    this.dir = dir;
    this.log = log;
  }

  /** 'sha256:<hex>' -> its bytes, or null. */
  async get(digest: string): Promise<Uint8Array | null> {
    const file = this.file(digest);
    try {
      const bytes = await readFile(file);
      if (digestOf(bytes) !== digest) throw new Error('its bytes are not those of its name');
      const now = new Date();
      await utimes(file, now, now);
      return bytes;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.log('warning', 'plugins', `${file} is not used: ${message}`);
      return null;
    }
  }

  /** A disk that is full costs the next start its plugins, and this one nothing. */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const file = this.file(digest);
    try {
      await mkdir(this.dir, { recursive: true, mode: 0o700 });
      await writeFile(`${file}.new`, bytes, { mode: 0o600, flush: true });
      await rename(`${file}.new`, file);
    } catch (error) {
      this.log('warning', 'plugins', `the module ${digest} cannot be kept: ${(error as Error).message}`);
    }
  }

  /** Removes the longest unused modules beyond those that may stay. */
  async prune(used: ReadonlySet<string>): Promise<void> {
    try {
      const names = (await readdir(this.dir)).filter((name) => name.endsWith('.wasm'));
      const unused = names.filter((name) => !used.has(`sha256:${name.slice(0, -'.wasm'.length)}`));
      if (unused.length <= KEPT_FILES) return;
      const aged = await Promise.all(
        unused.map(async (name) => ({ name, at: (await stat(join(this.dir, name))).mtimeMs })),
      );
      aged.sort((a, b) => b.at - a.at);
      for (const { name } of aged.slice(KEPT_FILES)) await rm(join(this.dir, name), { force: true });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.log('warning', 'plugins', `${this.dir} was not cleaned up: ${message}`);
    }
  }

  private file(digest: string): string {
    return join(this.dir, `${digest.replace('sha256:', '')}.wasm`);
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
