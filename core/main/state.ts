// The last good configuration on disk: what a proxy starts from when NATS is away. What is read back is decoded again by
// who uses it.

import { join } from 'node:path';
import type { Log } from './options.ts';
import { StateFile } from './state-file.ts';

export interface KeptState {
  readonly revision: number;
  readonly resources: readonly unknown[];
  readonly endpoints: readonly unknown[];
}

const FORMAT = 1;

export class StateFolder {
  private readonly file: StateFile;

  constructor(dir: string, log: Log) {
    this.file = new StateFile(join(dir, 'last-good.json'), 'the last good configuration', log);
  }

  /** Null: there is none, or it cannot be used. */
  load(): Promise<KeptState | null> {
    return this.file.load((value) => {
      const { format, revision, resources, endpoints } = value as KeptState & { format: unknown };
      if (format !== FORMAT || !Number.isInteger(revision) || !Array.isArray(resources) || !Array.isArray(endpoints)) {
        throw new Error('it is not what this version writes');
      }
      return { revision, resources, endpoints };
    });
  }

  /** Keeps what `state` returns when it is written, soon. */
  save(state: () => KeptState): void {
    this.file.save(() => ({ format: FORMAT, ...state() }));
  }

  /** Writes what is waiting. */
  close(): Promise<void> {
    return this.file.close();
  }
}
