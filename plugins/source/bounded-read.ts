// Files that a command line names, read up to a limit: of something huge not a byte more.
import { open } from 'node:fs/promises';

/** Why a file cannot be read, in words, beside the system's code. */
export class CannotRead extends Error {
  readonly code: string | undefined;

  constructor(message: string, code: string | undefined) {
    super(message);
    this.code = code;
  }
}

/** The file's bytes, of a larger one its first `most`; throws CannotRead. */
export async function readBounded(file: string, most: number): Promise<{ bytes: Uint8Array; size: number }> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(Math.min(size, most));
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return { bytes: bytes.subarray(0, length), size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const words: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' };
    throw new CannotRead(`cannot read ${file}: ${words[code ?? ''] ?? message}`, code);
  }
}
