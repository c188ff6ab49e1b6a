// One JSON file that outlives the proxy: written beside and renamed, readable by its owner alone, soon after a change and
// once for changes that come one after the other. What is read back is checked again by who uses it.

import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from './options.ts';

const SETTLE_MS = 200;
/** After what could not be written; what is newer waits for it as well. */
const AGAIN_MS = 30_000;
/** What is large is written less often: between two times it is at least so many times as long as putting it into words takes. */
const PAUSES = 50;

export class StateFile {
  readonly path: string;
  private readonly what: string;
  private readonly log: Log;
  private next: { value(): object; aside?(value: object): string | null } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> = Promise.resolve();
  private tookMs = 0;
  private readonly againMs: number;
  private failed = false;
  private closed = false;

  /** `what` it keeps, as the log words it. */
  constructor(path: string, what: string, log: Log, againMs = AGAIN_MS) {
    this.path = path;
    this.what = what;
    this.log = log;
    this.againMs = againMs;
  }

  /** What `read` makes of the file; null: there is none, or `read` refuses it by throwing, and the log says so. */
  async load<Kept>(read: (value: unknown) => Kept | Promise<Kept>): Promise<Kept | null> {
    try {
      return await read(JSON.parse(await readFile(this.path, 'utf8')));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.log('warning', 'state', `${this.path} is not used: ${message}`);
      return null;
    }
  }

  /** Keeps what `value` returns when it is written, soon. `aside`: where the file before it goes, null: nowhere. */
  save(value: () => object, aside?: (value: object) => string | null): void {
    if (this.closed) return;
    this.next = { value, aside };
    this.timer ??= setTimeout(() => this.write(), Math.max(SETTLE_MS, PAUSES * this.tookMs));
  }

  /** Writes what is waiting, and nothing after it. */
  async close(): Promise<void> {
    this.closed = true;
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
        const began = performance.now();
        const value = next.value();
        const text = JSON.stringify(value);
        this.tookMs = performance.now() - began;
        await this.replace(text, next.aside?.(value) ?? null);
        if (this.failed) this.log('info', 'state', `${this.what} is kept again`);
        this.failed = false;
      } catch (error) {
        // Said once: a full disk must not fill a log as well.
        if (!this.failed) this.log('warning', 'state', `${this.what} cannot be kept: ${(error as Error).message}`);
        this.failed = true;
        // The disk may have room again long before there is anything newer.
        this.next ??= next;
        if (!this.closed) this.timer ??= setTimeout(() => this.write(), this.againMs).unref();
      }
    });
  }

  private async replace(text: string, aside: string | null): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const file = await open(`${this.path}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // Between the two it is the one beside that is read.
    if (aside !== null && existsSync(this.path)) await rename(this.path, aside);
    await rename(`${this.path}.new`, this.path);
  }
}
