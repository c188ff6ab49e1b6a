// Programs of the system that fetch a nats-server: found in the system's folders, run with their last line at hand.
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** How a nats-server is fetched from one place. */
export interface Fetching {
  /** Where the program goes. */
  readonly target: string;
  /** An empty folder on the same disk, removed afterwards. */
  readonly work: string;
  /** Folders in which the fetching programs are looked for, as in $PATH. */
  readonly toolPath: string;
  /** Told in a sentence what takes time. */
  onProgress?(message: string): void;
}

/** The first of that name in `path`, or null. */
export async function findTool(name: string, path: string): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return null;
}

export function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** `code` is -1 when it cannot be started. */
export function run(command: string, args: string[], cwd: string): Promise<{ code: number; lastLine: string }> {
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
