// A change of one plugin as a transaction: compare-and-set in the mesh, the lockfile beside it, and both as they were when a
// proxy refuses it.
import { isDeepStrictEqual } from 'node:util';
import type { RolloutReport } from '../../control/rollout.ts';
import { resourceKey } from '../../core/config/resource.ts';
import { type LockedPlugin, updateLockfile } from '../../plugins/lockfile.ts';
import type { Api } from '../api.ts';
import { CliError, EXIT } from '../exit.ts';
import { judge, waitForProxies } from '../rollout.ts';
import type { PluginResource } from './resource.ts';

export interface PluginKey {
  readonly namespace: string;
  readonly name: string;
}

export interface PluginChange {
  readonly key: PluginKey;
  /** What the change was made from; null: there was none. */
  readonly before: PluginResource | null;
  /** null: it is removed. */
  readonly after: PluginResource | null;
  /** For the history. */
  readonly message: string;
  /** What the lockfile says afterwards; undefined leaves it as it is. */
  readonly locked?: LockedPlugin | null;
}

export interface CommitOptions {
  readonly lockfile: string;
  readonly wait: boolean;
  /** ms */
  readonly timeout: number;
}

export interface Committed {
  readonly revision: number;
  /** null: nobody waited. */
  readonly rollout: RolloutReport | null;
  readonly warnings: readonly string[];
}

const ATTEMPTS = 10;

/** null when there is none. */
export async function readPlugin(api: Api, { namespace, name }: PluginKey): Promise<PluginResource | null> {
  const { items } = await api.resources({ kind: 'Plugin', namespace, name });
  return (items[0] as PluginResource | undefined) ?? null;
}

/** Throws CliError as of `mesh apply`; the message begins with the step at which it ended. */
export async function commitPlugin(api: Api, change: PluginChange, options: CommitOptions): Promise<Committed> {
  const { namespace, name } = change.key;
  const entry = `${namespace}/${name}`;
  const lockedBefore =
    change.locked === undefined ? undefined : await updateLockfile(options.lockfile, entry, change.locked);
  const unlock = async (): Promise<void> => {
    if (lockedBefore !== undefined) await updateLockfile(options.lockfile, entry, lockedBefore);
  };
  const written = await at('apply', () => write(api, change)).catch(async (error) => {
    await unlock();
    throw error;
  });
  if (!options.wait) return { ...written, rollout: null };
  try {
    const rollout = await at('wait', async () => {
      const report = await waitForProxies(api, written.revision, options.timeout);
      judge(report, options.timeout);
      return report;
    });
    return { ...written, rollout };
  } catch (error) {
    const undone = await undo(api, change);
    await unlock();
    if (error instanceof CliError) throw new CliError(`${error.message}; ${undone}`, error.exitCode, error.problems);
    throw error;
  }
}

/** Compare-and-set of this one resource: what others change beside it is no conflict. */
async function write(
  api: Api,
  { key, before, after, message }: PluginChange,
): Promise<Pick<Committed, 'revision' | 'warnings'>> {
  for (let attempt = 1; ; attempt++) {
    const { revision: parent, items } = await api.resources({ kind: 'Plugin', ...key });
    const now = (items[0] as PluginResource | undefined) ?? null;
    if (!isDeepStrictEqual(now, before)) {
      throw new CliError(`somebody else changed the plugin ${key.name} meanwhile: nothing was changed`, EXIT.conflict);
    }
    try {
      if (after === null) {
        const keys = [resourceKey(before!)];
        const { revision } = await api.delete({ keys }, { parent, message });
        return { revision, warnings: [] };
      }
      const file = { name: `plugin ${key.name}`, text: JSON.stringify(after) };
      const { revision, warnings } = await api.apply([file], { parent, message });
      return { revision, warnings: warnings.map((warning) => warning.message) };
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.conflict || attempt === ATTEMPTS) throw error;
    }
  }
}

async function undo(api: Api, change: PluginChange): Promise<string> {
  const { key, before, after } = change;
  try {
    // As the control plane has it: defaults and order of fields are its own.
    const now = await readPlugin(api, key);
    if (now?.spec.digest !== after?.spec.digest) return 'somebody else has changed it since, which was left as it is';
    await write(api, { key, before: now, after: before, message: `undo: ${change.message}` });
    return 'everything is as it was before';
  } catch (error) {
    return `and undoing it failed: ${(error as Error).message}`;
  }
}

async function at<T>(step: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(`${step}: ${error.message}`, error.exitCode, error.problems);
  }
}
