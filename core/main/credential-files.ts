// Keys and certificates in files of this machine: read whole, checked, and read again when one of them is another one. What cannot be
// used never takes the place of what can.

import { readFile, stat } from 'node:fs/promises';
import { checkCredential } from '../config/pem.ts';
import type { Credential, CredentialFiles } from '../credential.ts';

/** How soon a change is seen. */
const LOOK_MS = 500;
const MOST_BYTES = 1024 * 1024;
const PARTS = ['cert', 'key', 'ca', 'crl'] as const;

export interface CredentialFileOptions {
  readonly files: CredentialFiles;
  /** There is another one. */
  changed(credential: Credential): void;
  /** What is there cannot be used; told once for what stays as it is. */
  failed(why: string): void;
}

export class CredentialFile {
  credential: Credential | null = null;
  private readonly options: CredentialFileOptions;
  private readonly timer: NodeJS.Timeout;
  private seen = '';
  private told = '';
  private closed = false;
  private looking: Promise<void> | null = null;

  constructor(options: CredentialFileOptions) {
    this.options = options;
    this.timer = setInterval(() => void this.look(), LOOK_MS).unref();
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
        const found = await stat(files[part]);
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
      if (message !== this.told && !this.closed) failed(message);
      this.told = message;
    }
  }
}

async function readAll(files: CredentialFiles): Promise<Credential> {
  const read = async (path = ''): Promise<string> => {
    if (path === '') return '';
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes, more than certificates have`);
    return readFile(path, 'utf8');
  };
  const [cert, key, ca, crl] = await Promise.all(PARTS.map((part) => read(files[part])));
  return { cert, key, ca, crl };
}
