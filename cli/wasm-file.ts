// Reads a module that a command line names. Of something huge not a byte is read.
import { open } from 'node:fs/promises';
import { CliError } from './exit.ts';

/** What the checks read at most, and one more, so that they can say that it is too large. */
const MOST = 32 * 1024 * 1024 + 1;

/** The file's bytes, of a larger one its first; throws CliError when it cannot be read. */
export async function readWasm(file: string): Promise<{ bytes: Uint8Array; size: number }> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(Math.min(size, MOST));
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
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : error instanceof Error
            ? error.message
            : String(error);
    throw new CliError(`cannot read ${file}: ${why}`);
  }
}
