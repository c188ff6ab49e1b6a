// Filters of the SDK's folder that tests run, compiled when anything that they are made from has changed: some files of tests
// share one, and a second run of the tests finds them all.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceDigest } from '../../asbuild/build.ts';
import { compileFilter } from '../../asbuild/compile.ts';

const ROOT = join(import.meta.dirname, '../..');
const SDK = join(ROOT, 'filters', 'sdk');
const CACHE = join(ROOT, 'node_modules', '.cache', 'fixtures');

/** `file`: its entry, such as 'fixtures/labour.ts'. */
export async function fixtureFilter(file: string, runtime: 'minimal' | 'stub' = 'minimal'): Promise<Uint8Array> {
  const source = sourceDigest();
  const folder = join(CACHE, source);
  const built = join(folder, `${createHash('sha256').update(`${runtime} ${file}`).digest('hex')}.wasm`);
  if (existsSync(built)) return readFileSync(built);
  const wasm = await compileFilter({ entry: join(SDK, file), runtime });
  mkdirSync(folder, { recursive: true });
  for (const other of readdirSync(CACHE))
    if (other !== source) rmSync(join(CACHE, other), { recursive: true, force: true });
  // Whoever reads meanwhile sees all of it or nothing.
  writeFileSync(`${built}.${process.pid}`, wasm);
  renameSync(`${built}.${process.pid}`, built);
  return wasm;
}
