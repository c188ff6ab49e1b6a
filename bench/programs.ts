// Programs that the machine has or has not: where they are, what to install, which version they say they are.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a program on PATH, or null. */
export function find(program: string): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return null;
}

/** A sentence that says what is missing and what to do, or null when the program is there. */
export function whyAbsent(program: string): string | null {
  return find(program) === null ? `${program} is not on PATH (Debian: apt-get install ${program})` : null;
}

/** First line of what the program says about itself; most say it on standard error. */
export function versionOf(program: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5000 });
  const [line = ''] = `${stdout}${stderr}`.trim().split('\n');
  return line.replace(/^nginx version: /, '').replace(/ Copyright.*$/, '');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return false;
    throw error;
  }
}
