// Keys and certificates in files of this machine: read whole, checked, and read again when one of them is another one. What cannot be
// used never takes the place of what can.

import { readFile, stat } from 'node:fs/promises';
import { checkCredential, type Pem } from './pem.ts';

/** How soon a change is seen. */
const LOOK_MS = 500;
const MIB = 1024 * 1024;
/** Lists of what is revoked may be long. */
const MOST_BYTES: Readonly<Record<keyof Pem, number>> = { cert: MIB, key: MIB, ca: MIB, crl: 16 * MIB };
const PARTS = ['cert', 'key', 'ca', 'crl'] as const;

export interface PemFilesOptions {
  /** Their paths. */
  readonly files: Partial<Pem>;
  /** How often they are looked at. */
  readonly lookMs?: number;
  /** There is another one. */
  changed(credential: Pem): void;
  /** What is there cannot be used; told once for what stays as it is. What it throws, `look` rejects with. */
  failed(why: string): void;
}

export class PemFiles {
  credential: Pem | null = null;
  private readonly options: PemFilesOptions;
  private readonly timer: NodeJS.Timeout;
  private seen = '';
  private told = '';
  private closed = false;
  private looking: Promise<void> | null = null;

  constructor(options: PemFilesOptions) {
    this.options = options;
    this.timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS).unref();
  }

  /** Resolves when it has been read, or could not be. */
  look(): Promise<void> {
    this.looking ??= this.lookNow().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** Nobody is told any more, of what is being read neither. */
  close(): void {
    this.closed = true;
    clearInterval(this.timer);
  }

  private async lookNow(): Promise<void> {
    const { files, changed, failed } = this.options;
    let seen = '';
    try {
      for (const part of PARTS) {
        if (!files[part]) continue;
        const found = await stat(files[part]).catch((error: NodeJS.ErrnoException) => {
          const why = error.code === 'ENOENT' ? 'it does not exist' : error.message;
          throw new Error(`${files[part]} cannot be read: ${why}`);
        });
        // A pipe is waited for, and a device never ends.
        if (!found.isFile()) throw new Error(`${files[part]} is no file`);
        const { mtimeMs, size, ino } = found;
        seen += `${mtimeMs} ${size} ${ino} `;
      }
      if (seen === this.seen) return;
      const credential = await readAll(files);
      if (this.closed) return;
      checkCredential(credential);
      this.seen = seen;
      this.told = '';
      this.credential = credential;
      changed(credential);
    } catch (error) {
      const { message } = error as Error;
      const known = message === this.told;
      this.told = message;
      if (!known && !this.closed) failed(message);
    }
  }
}

async function readAll(files: Partial<Pem>): Promise<Pem> {
  const read = async (part: keyof Pem): Promise<string> => {
    const path = files[part] ?? '';
    if (path === '') return '';
    const { size } = await stat(path);
    if (size > MOST_BYTES[part]) throw new Error(`${path} has ${size} bytes, more than certificates have`);
    const text = await readFile(path, 'utf8');
    // As one is that is being written: it does not say that nobody is revoked, or believed.
    if (text === '') throw new Error(`${path} is empty`);
    return text;
  };
  const [cert, key, ca, crl] = await Promise.all(PARTS.map(read));
  return { cert, key, ca, crl };
}
