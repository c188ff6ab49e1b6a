// mesh-plugins.lock: which bytes each installed plugin is, and where they came from. Written whole or not at all, and by one at
// a time.
import { open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { StepFailed } from './step.ts';

export interface LockedPlugin {
  /** As it was asked for: 'jwt@^1.2'. */
  readonly spec: string;
  /** What that was found to be: 'npm:@weft-mesh/plugin-jwt@1.2.3'. */
  readonly source: string;
  readonly version?: string;
  readonly resolved?: string;
  /** Of the tarball. */
  readonly integrity?: string;
  /** Of the module: 'sha256:...'. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly capabilities: readonly string[];
  readonly signature?: string;
  readonly provenance?: string;
}

/** By namespace/name. */
export type LockedPlugins = Readonly<Record<string, LockedPlugin>>;

export const LOCKFILE = 'mesh-plugins.lock';
const VERSION = 1;
/** Somebody who writes for longer is gone. */
const STALE_MS = 10_000;
const RETRY_MS = 20;
const PATIENCE_MS = 30_000;

/** Empty when there is no such file. Throws StepFailed (lock, refused). */
export async function readLockfile(file: string): Promise<LockedPlugins> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw failed(`${file} cannot be read: ${(error as Error).message}`);
  }
  return decode(file, text);
}

/** Null removes it. Returns what was there. Throws StepFailed (lock, refused). */
export async function updateLockfile(
  file: string,
  key: string,
  entry: LockedPlugin | null,
): Promise<LockedPlugin | null> {
  const next = `${file}.new`;
  const handle = await claim(next);
  try {
    const plugins = await readLockfile(file);
    const before = Object.hasOwn(plugins, key) ? plugins[key] : null;
    if (isDeepStrictEqual(before, entry)) {
      await handle.close();
      await unlink(next);
      return before;
    }
    const { [key]: _, ...others } = plugins;
    const all = Object.entries(entry === null ? others : { ...others, [key]: entry });
    const sorted = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
    await handle.writeFile(`${JSON.stringify({ lockfileVersion: VERSION, plugins: sorted }, null, 2)}\n`);
    await handle.sync();
    await handle.close();
    await rename(next, file);
    return before;
  } catch (error) {
    await handle.close();
    await unlink(next).catch((problem: NodeJS.ErrnoException) => {
      if (problem.code !== 'ENOENT') throw problem;
    });
    throw error instanceof StepFailed ? error : failed(`${file} cannot be written: ${(error as Error).message}`);
  }
}

/** Whoever creates the new file may write. */
async function claim(file: string): ReturnType<typeof open> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await open(file, 'wx', 0o644);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw failed(`${file} cannot be written: ${message}`);
    }
    if (performance.now() > deadline)
      throw failed(`${file} is there: another command writes, or was killed while it did`);
    const since = await stat(file).catch(() => null);
    if (since !== null && Date.now() - since.mtimeMs > STALE_MS) await unlink(file).catch(() => null);
    else await delay(RETRY_MS);
  }
}

function decode(file: string, text: string): LockedPlugins {
  let content: { lockfileVersion?: unknown; plugins?: unknown };
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw failed(`${file} is no JSON: ${(error as Error).message}`);
  }
  const { lockfileVersion, plugins } = content ?? {};
  if (lockfileVersion !== VERSION)
    throw failed(`${file} has the version ${JSON.stringify(lockfileVersion)}, not ${VERSION}`);
  if (typeof plugins !== 'object' || plugins === null) throw failed(`${file} has no plugins`);
  for (const [key, entry] of Object.entries(plugins as Record<string, Partial<LockedPlugin> | null>)) {
    if (!/^sha256:[0-9a-f]{64}$/.test(String(entry?.digest)) || typeof entry?.source !== 'string') {
      throw failed(`${file}: the entry ${JSON.stringify(key)} has no digest or no source`);
    }
  }
  return plugins as LockedPlugins;
}

function failed(message: string): StepFailed {
  return new StepFailed('lock', 'refused', message);
}
