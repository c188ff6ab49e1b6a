// A change of one plugin as a transaction: compare-and-set in the mesh, the lockfile beside it, and both as they were when a
// proxy refuses it.
import { isDeepStrictEqual } from 'node:util';
import { type LockedPlugin, updateLockfile } from '../lockfile.ts';
import { CommitFailed, PluginError } from '../step.ts';
import type { ControlPlane, Rollout } from './control-plane.ts';
import { readPlugin } from './installed.ts';
import type { PluginKey, PluginResource } from './resource.ts';

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
  /** Its file; null: none is kept. */
  readonly lockfile: string | null;
  /** Until every proxy runs it. */
  readonly wait: boolean;
  /** ms */
  readonly timeout: number;
}

export interface Committed {
  readonly revision: number;
  /** null: nobody waited. */
  readonly rollout: Rollout | null;
  readonly warnings: readonly string[];
}

const ATTEMPTS = 10;

/** Throws CommitFailed; StepFailed (lock) before anything was written. */
export async function commitPlugin(
  mesh: ControlPlane,
  change: PluginChange,
  options: CommitOptions,
): Promise<Committed> {
  const unlock = await lock(change, options.lockfile);
  const written = await write(mesh, change).catch(async (error) => {
    await unlock();
    throw at('apply', error);
  });
  if (!options.wait) return { ...written, rollout: null };
  try {
    return { ...written, rollout: await mesh.settled(written.revision, options.timeout) };
  } catch (error) {
    const undone = await undo(mesh, change);
    await unlock();
    throw at('wait', error, undone);
  }
}

/** Writes the lockfile, and returns what puts it back. */
async function lock({ key, locked }: PluginChange, file: string | null): Promise<() => Promise<void>> {
  if (file === null || locked === undefined) return async () => {};
  const entry = `${key.namespace}/${key.name}`;
  const before = await updateLockfile(file, entry, locked);
  return async () => {
    await updateLockfile(file, entry, before);
  };
}

/** Compare-and-set of this one resource: what others change beside it is no conflict. */
async function write(
  mesh: ControlPlane,
  { key, before, after, message }: PluginChange,
): Promise<Pick<Committed, 'revision' | 'warnings'>> {
  for (let attempt = 1; ; attempt++) {
    const { revision: parent, items } = await mesh.plugins(key);
    if (!isDeepStrictEqual(items[0] ?? null, before)) {
      throw new PluginError('conflict', `somebody else changed the plugin ${key.name} meanwhile: nothing was changed`);
    }
    try {
      return await mesh.write({ key, plugin: after, parent, message });
    } catch (error) {
      if (!(error instanceof PluginError) || error.fault !== 'conflict' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function undo(mesh: ControlPlane, change: PluginChange): Promise<string> {
  const { key, before, after } = change;
  try {
    // As the control plane has it: defaults and order of fields are its own.
    const now = await readPlugin(mesh, key);
    if (now?.spec.digest !== after?.spec.digest) return 'somebody else has changed it since, which was left as it is';
    await write(mesh, { key, before: now, after: before, message: `undo: ${change.message}` });
    return 'everything is as it was before';
  } catch (error) {
    return `and undoing it failed: ${(error as Error).message}`;
  }
}

/** A bug stays what it is. */
function at(step: 'apply' | 'wait', error: unknown, undone?: string): unknown {
  if (!(error instanceof PluginError)) return error;
  const message = undone === undefined ? error.message : `${error.message}; ${undone}`;
  return new CommitFailed(step, error.fault, message, error.problems);
}
