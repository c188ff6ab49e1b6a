// What a command prints may find nobody who reads it, or a disk that is full. What it does goes on all the same: half a change
// because of a closed pipe would be worse.
import { setImmediate } from 'node:timers/promises';
import { note } from './output.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left where it goes',
  EIO: 'where it goes cannot be written',
  EDQUOT: 'no space left where it goes',
};

export class StandardStreams {
  private failure: NodeJS.ErrnoException | null = null;

  constructor() {
    // A reader that has seen enough (`mesh get vs | head`) is no failure.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.failure ??= error;
    });
    // There is nowhere left to say so.
    process.stderr.on('error', () => undefined);
  }

  /** False, and one line about it: not all of the result was written. */
  async delivered(): Promise<boolean> {
    // Failures are told a turn after the write.
    await setImmediate();
    if (this.failure === null) return true;
    const { code = '', message } = this.failure;
    note(`mesh: not everything was printed: ${WHY[code] ?? message}`);
    return false;
  }
}
