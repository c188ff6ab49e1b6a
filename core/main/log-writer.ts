// Where the main thread writes access logs: standard output or a file. A reader that is slow, or a disk that is full, costs
// lines and nothing else: writing happens outside the event loop, and what waits for it is bounded.

import { close, open, write } from 'node:fs';

export interface LogOutput {
  /** Lines thrown away because too much waited, or because they could not be written. */
  readonly dropped: number;
  /** `settled` is called when the lines are written, or thrown away. */
  write(lines: string, settled?: () => void): void;
  /** Resolves when what waits is written, or after `withinMs`. Nothing is written afterwards. */
  close(withinMs: number): Promise<void>;
}

const MAX_WAITING_CHARS = 4 * 1024 * 1024;
const RETRY_MS = 20;

/** To a file (appended to, 0600 when it is new), or without one to standard output. Rejects when it cannot be opened. */
export async function openLogOutput(file?: string, onError: (message: string) => void = () => {}): Promise<LogOutput> {
  if (file === undefined) return new DescriptorOutput(1, 'standard output', onError);
  const descriptor = await new Promise<number>((resolve, reject) => {
    open(file, 'a', 0o600, (error, opened) => (error === null ? resolve(opened) : reject(error)));
  });
  return new DescriptorOutput(descriptor, file, onError);
}

class DescriptorOutput implements LogOutput {
  dropped = 0;
  private readonly descriptor: number;
  private readonly name: string;
  private readonly onError: (message: string) => void;
  private waiting: string[] = [];
  private waitingChars = 0;
  private settlers: (() => void)[] = [];
  private writing = false;
  private failing = false;
  private closed = false;
  private idle: (() => void) | null = null;

  constructor(descriptor: number, name: string, onError: (message: string) => void) {
    this.descriptor = descriptor;
    this.name = name;
    this.onError = onError;
  }

  write(lines: string, settled: () => void = () => {}): void {
    if (this.closed || this.waitingChars + lines.length > MAX_WAITING_CHARS) {
      this.dropped += lineCount(lines);
      settled();
      return;
    }
    this.waiting.push(lines);
    this.waitingChars += lines.length;
    this.settlers.push(settled);
    if (!this.writing) this.writeWaiting();
  }

  async close(withinMs: number): Promise<void> {
    this.closed = true;
    if (this.writing) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.idle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (this.descriptor > 2 && !this.writing) {
      await new Promise<void>((resolve) => {
        close(this.descriptor, () => resolve());
      });
    }
  }

  private writeWaiting(): void {
    if (this.waiting.length === 0) {
      this.writing = false;
      this.idle?.();
      return;
    }
    this.writing = true;
    const { settlers } = this;
    const text = this.waiting.join('');
    this.waiting = [];
    this.settlers = [];
    this.writeAll(Buffer.from(text), () => {
      this.waitingChars -= text.length;
      for (const settled of settlers) settled();
      this.writeWaiting();
    });
  }

  /** A pipe takes part of it, or nothing now when somebody made it non-blocking. */
  private writeAll(bytes: Buffer, done: () => void): void {
    write(this.descriptor, bytes, (error, written) => {
      if (error === null) {
        this.failing = false;
        if (written === bytes.length) done();
        else this.writeAll(bytes.subarray(written), done);
      } else if (error.code === 'EAGAIN') {
        setTimeout(() => this.writeAll(bytes, done), RETRY_MS);
      } else {
        this.dropped += lineCount(bytes.toString());
        if (!this.failing) this.onError(`access log: ${this.name} cannot be written: ${error.message}; lines are lost`);
        this.failing = true;
        done();
      }
    });
  }
}

function lineCount(lines: string): number {
  let count = 0;
  for (let at = lines.indexOf('\n'); at >= 0; at = lines.indexOf('\n', at + 1)) count++;
  return count;
}
