// The last good configuration on disk, the newest two of them: what a proxy starts from when NATS is away. What is read back is
// decoded again by who uses it.

import { join } from 'node:path';
import type { Position, StoredResource } from '../../bus/types.ts';
import type { Log } from './options.ts';
import { StateFile } from './state-file.ts';

export interface KeptState {
  readonly at: Position;
  readonly resources: readonly StoredResource[];
  readonly endpoints: readonly unknown[];
}

const FORMAT = 2;
const NEWEST = 'last-good.json';
const BEFORE = 'last-good.before.json';

export class StateFolder {
  private readonly dir: string;
  private readonly log: Log;
  private readonly file: StateFile;
  /** Which history the newest file holds; '' = none that is good. */
  private newest = '';

  constructor(dir: string, log: Log) {
    this.dir = dir;
    this.log = log;
    this.file = new StateFile(join(dir, NEWEST), 'the last good configuration', log);
  }

  /** The newest that `use` takes; it refuses one by rejecting, and the log says so. Null: there is none. */
  async load(use: (kept: KeptState) => Promise<void> = async () => undefined): Promise<KeptState | null> {
    for (const name of [NEWEST, BEFORE]) {
      const kept = await new StateFile(join(this.dir, name), '', this.log).load(async (value) => {
        const read = readKept(value);
        await use(read);
        return read;
      });
      if (kept === null) continue;
      if (name === NEWEST) this.newest = kept.at.digest;
      return kept;
    }
    return null;
  }

  /** Keeps what `state` returns when it is written, soon, and the one before it unless that was of the same revision. */
  save(state: () => KeptState): void {
    this.file.save(
      () => ({ format: FORMAT, ...state() }),
      (value) => {
        const { digest } = (value as KeptState).at;
        const aside = this.newest !== '' && this.newest !== digest ? join(this.dir, BEFORE) : null;
        this.newest = digest;
        return aside;
      },
    );
  }

  /** Writes what is waiting. */
  close(): Promise<void> {
    return this.file.close();
  }
}

/** Throws an Error. */
function readKept(value: unknown): KeptState {
  const { format, at, resources, endpoints } = (value ?? {}) as Partial<KeptState> & { format?: unknown };
  const position =
    Number.isSafeInteger(at?.revision) &&
    typeof at?.digest === 'string' &&
    Number.isSafeInteger(at.epoch) &&
    Array.isArray(at.ancestors);
  const whole = Array.isArray(endpoints) && Array.isArray(resources) && resources.every(isStored);
  if (format !== FORMAT || !position || !whole) throw new Error('it is not what this version writes');
  return { at: at!, resources, endpoints };
}

function isStored(value: Partial<StoredResource> | null): boolean {
  return typeof value?.key === 'string' && 'body' in value;
}
