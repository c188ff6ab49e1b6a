// A probe that runs a command in a shell: exit code 0 is ready. What it prints is nobody's, and it ends with all that it has started.

import { spawn } from 'node:child_process';
import type { Probe } from './watch.ts';

export function exec(command: string, env: NodeJS.ProcessEnv): Probe {
  return {
    what: `the command '${command}'`,
    check: (signal) =>
      new Promise((resolve) => {
        const child = spawn('/bin/sh', ['-c', command], { stdio: 'ignore', env, detached: true });
        const end = (): void => killGroup(child.pid);
        signal.addEventListener('abort', end, { once: true });
        child.on('error', (error) => resolve(error.message));
        child.on('exit', (code, by) => {
          signal.removeEventListener('abort', end);
          // What it left in the background.
          end();
          if (code === 0) resolve('');
          else resolve(by === null ? `its exit code is ${code}` : `${by} ended it`);
        });
      }),
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Nobody is left, or only what has become somebody else's, as by sudo.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
