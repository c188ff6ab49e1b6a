// The last good configuration on disk: what a proxy starts from when NATS is away. One file, written beside and renamed,
// readable by its owner alone. What is read back is decoded again by who uses it.

import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from './options.ts';

export interface KeptState {
  readonly revision: number;
  readonly resources: readonly unknown[];
  readonly endpoints: readonly unknown[];
}

const FORMAT = 1;
/** Changes that come one after the other are written once. */
const SETTLE_MS = 200;

export class StateFolder {
  private readonly dir: string;
  private readonly log: Log;
  private next: (() => KeptState) | null = null;
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> = Promise.resolve();
  private failed = false;

  constructor(dir: string, log: Log) {
    this.dir = dir;
    this.log = log;
  }

  /** Null: there is none, or it cannot be used. */
  async load(): Promise<KeptState | null> {
    try {
      const { format, revision, resources, endpoints } = JSON.parse(await readFile(this.file, 'utf8'));
      if (format !== FORMAT || !Number.isInteger(revision) || !Array.isArray(resources) || !Array.isArray(endpoints)) {
        throw new Error('it is not what this version writes');
      }
      return { revision, resources, endpoints };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.log('warning', 'state', `${this.file} is not used: ${message}`);
      return null;
    }
  }

  /** Keeps what `state` returns when it is written, soon. */
  save(state: () => KeptState): void {
    this.next = state;
    this.timer ??= setTimeout(() => this.write(), SETTLE_MS);
  }

  /** Writes what is waiting. */
  async close(): Promise<void> {
    if (this.timer !== null) this.write();
    await this.writing;
  }

  private write(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.writing = this.writing.then(async () => {
      const { next } = this;
      if (next === null) return;
      this.next = null;
      try {
        await this.replace(JSON.stringify({ format: FORMAT, ...next() }));
        this.failed = false;
      } catch (error) {
        // Said once: a full disk must not fill a log as well.
        if (!this.failed) {
          this.log('warning', 'state', `the last good configuration cannot be kept: ${(error as Error).message}`);
        }
        this.failed = true;
      }
    });
  }

  private async replace(text: string): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    const file = await open(`${this.file}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${this.file}.new`, this.file);
  }

  private get file(): string {
    return join(this.dir, 'last-good.json');
  }
}
