// Reads a module that a command line names. Of something huge no more than what the checks need to refuse it.
import { CannotRead, readBounded } from '../plugins/source/bounded-read.ts';
import { CliError } from './exit.ts';

/** What the checks read at most, and one more, so that they can say that it is too large. */
const MOST = 32 * 1024 * 1024 + 1;

/** The file's bytes, of a larger one its first; throws CliError when it cannot be read. */
export async function readWasm(file: string): Promise<{ bytes: Uint8Array; size: number }> {
  try {
    return await readBounded(file, MOST);
  } catch (error) {
    if (error instanceof CannotRead) throw new CliError(error.message);
    throw error;
  }
}
