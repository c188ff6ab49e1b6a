// Peers that come from a registry and not with the machine: fetched once, by the registry's own client, into the cache
// folder that the project uses anyway.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { find } from '../programs.ts';

const FETCH_MS = 180_000;

export function cacheFolder(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft', 'bench', name);
}

/** `package` of PyPI in a virtual environment of its own. Null, or why it is not there. */
export async function fetchFromPyPi(pinned: string, folder: string, made: string): Promise<string | null> {
  if (existsSync(made)) return null;
  const instead = `pip install ${pinned} into ${folder}`;
  if (find('python3') === null) return `python3 is not on PATH (Debian: apt-get install python3-venv, or ${instead})`;
  const environment = await run('python3', ['-m', 'venv', folder]);
  if (environment !== null) return `python3 -m venv failed (Debian: apt-get install python3-venv): ${environment}`;
  const failure = await run(join(folder, 'bin', 'pip'), ['install', '--quiet', pinned]);
  return failure === null ? null : `pip install ${pinned} failed: ${failure}`;
}

/** A package of npm beside the project, which does not depend on it. Null, or why it is not there. */
export async function fetchFromNpm(pinned: string, folder: string, made: string): Promise<string | null> {
  if (existsSync(made)) return null;
  mkdirSync(folder, { recursive: true });
  const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--silent', pinned];
  const failure = await run('npm', args);
  return failure === null ? null : `npm install ${pinned} failed: ${failure}`;
}

/** Null, or the last line of what it said. */
async function run(command: string, args: readonly string[]): Promise<string | null> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: FETCH_MS });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-4096);
    });
  }
  const failed = once(child, 'error').then(([error]) => (error as Error).message);
  const ended = once(child, 'close').then(([code]) => (code === 0 ? null : (said.trim().split('\n').at(-1) ?? '')));
  return Promise.race([failed, ended]);
}
