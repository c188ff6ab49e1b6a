// What proxies of this machine keep of the configuration, in $MESH_HOME: the newest first.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeptState, StateFolder } from '../core/main/state.ts';

export interface FoundState extends KeptState {
  readonly folder: string;
  /** When it was written; ms since the epoch. */
  readonly time: number;
}

export async function keptStates(home: string): Promise<FoundState[]> {
  const proxies = join(home, 'proxies');
  const names = await readdir(proxies).catch(() => []);
  const found = await Promise.all(names.map((name) => keptState(join(proxies, name))));
  return found
    .filter((state) => state !== null)
    .sort((a, b) => b.at.epoch - a.at.epoch || b.at.revision - a.at.revision || b.time - a.time);
}

/** Of the folder of one proxy; null when it keeps none that can be read. */
export async function keptState(folder: string): Promise<FoundState | null> {
  const kept = await new StateFolder(folder, () => undefined).load();
  if (kept === null) return null;
  const times = await Promise.all(
    ['last-good.json', 'last-good.before.json'].map((name) =>
      stat(join(folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return { ...kept, folder, time: Math.max(...times) };
}
