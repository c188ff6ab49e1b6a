// Preloaded into every thread of a proxy under test: what its heap holds after a full collection, written down again and again
// for who asks by `heldMiB`. Resident memory alone says little: a young generation may grow to a hundred MiB and stay.

import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';

const EVERY_MS = 2_000;
const FOLDER = 'WEFT_SOAK_FIGURES';

/** How a proxy is started so that it writes its figures into a folder. */
export function collecting(folder: string): { readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  return { args: ['--import', import.meta.filename], env: { [FOLDER]: folder } };
}

/** Heaps and memory outside of them, in MiB, of all threads that have written something. A thread that ended stays in it. */
export function heldMiB(folder: string): number {
  const figures = readdirSync(folder).filter((name) => name.endsWith('.held'));
  return figures.reduce((sum, name) => sum + Number(readFileSync(join(folder, name), 'utf8')), 0) / 2 ** 20;
}

function collect(folder: string, gc: () => void): void {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  const file = join(folder, `${threadId}`);
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, `${file}.held`);
}

const folder = process.env[FOLDER];
if (folder !== undefined) {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  setInterval(() => collect(folder, gc), EVERY_MS).unref();
}
