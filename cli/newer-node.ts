// What an old Node does with `mesh`: runs it with a newer one that npm has put beside the package, if there is one. Loads nothing
// that an old Node does not have.
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A `node` of this version or newer in a node_modules/.bin above this file, as `npm install node` makes one; else null. */
export function newerNode(oldest: number): string | null {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    if (Number(/^v(\d+)\./.exec(stdout ?? '')?.[1]) >= oldest) return path;
    if (folder === dirname(folder)) return null;
  }
}

/** The same command line under `node`; terminal, signals and exit code are passed through. */
export function runWith(node: string): Promise<number> {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
  });
}
