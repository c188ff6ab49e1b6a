// Finds a nats-server: on PATH, in the cache folder, or in Debian's package, which is unpacked into the cache without root.
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

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
  /** Where apt-get and dpkg are looked for instead of the system's folders. */
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
  const failure = await unpack(unpacked, cacheDir, options);
  if (failure === null) {
    const version = await versionOf(unpacked);
    if (version !== null && isNewEnough(version)) return { path: unpacked, version };
    refused.push(version === null ? `${unpacked} does not run` : `${unpacked} is ${version}`);
  }
  const found = refused.length === 0 ? 'nats-server is not on PATH' : refused.join(', ');
  const why = failure === null ? '' : `; ${failure}`;
  throw new Error(`nats-server ${OLDEST.join('.')} or newer is needed, but ${found}${why}. ${INSTALL}`);
}

const INSTALL =
  'Install it: `sudo apt-get install nats-server` (Debian, Ubuntu), `brew install nats-server` (macOS), ' +
  '`winget install NATSAuthors.NATSServer` (Windows), or a release from https://github.com/nats-io/nats-server/releases on PATH.';

/** Debian's package into the cache folder. Returns null, or a clause that says why that did not work. */
async function unpack(target: string, cacheDir: string, options: FindNatsOptions): Promise<string | null> {
  const apt = await findTool('apt-get', options.toolPath);
  const dpkg = await findTool('dpkg', options.toolPath);
  if (apt === null || dpkg === null) return "there is no apt-get to fetch Debian's package with";
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, 'unpack-'));
  try {
    options.onProgress?.("nats-server is not installed: fetching Debian's package (about 5 MB) ...");
    let fetched = await run(apt, ['download', '-q', 'nats-server'], work);
    if (fetched.code !== 0) {
      // A fresh container image knows no packages; lists of our own need no root.
      options.onProgress?.('apt knows no nats-server yet: reading the package lists ...');
      const lists = await ownLists(work);
      const updated = await run(apt, [...lists, 'update', '-q'], work);
      if (updated.code === 0) fetched = await run(apt, [...lists, 'download', '-q', 'nats-server'], work);
      else fetched = updated;
    }
    const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (fetched.code !== 0 || deb === undefined) return `apt-get could not fetch it (${fetched.lastLine})`;
    options.onProgress?.('unpacking nats-server ...');
    const unpacked = await run(dpkg, ['-x', deb, 'root'], work);
    if (unpacked.code !== 0) return `dpkg could not unpack it (${unpacked.lastLine})`;
    for (const folder of ['usr/sbin', 'usr/bin']) {
      const path = join(work, 'root', folder, 'nats-server');
      if (!(await isExecutable(path))) continue;
      await rename(path, target);
      return null;
    }
    return "Debian's package holds no nats-server";
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** apt options that keep package lists in a folder of ours. */
async function ownLists(work: string): Promise<string[]> {
  const folder = join(work, 'apt');
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
  await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  return ['-o', `Dir::State::lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${join(folder, 'cache')}`];
}

async function findTool(name: string, path = '/usr/bin:/bin:/usr/local/bin'): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return null;
}

async function versionOf(path: string): Promise<string | null> {
  const { code, lastLine } = await run(path, ['--version'], '/');
  return code === 0 ? (/(\d+\.\d+\.\d+)/.exec(lastLine)?.[1] ?? null) : null;
}

function isNewEnough(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function run(command: string, args: string[], cwd: string): Promise<{ code: number; lastLine: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: 180_000 });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk).slice(-2_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: -1, lastLine: error.message }));
    child.on('close', (code) => resolve({ code: code ?? -1, lastLine: output.trim().split('\n').at(-1) ?? '' }));
  });
}
