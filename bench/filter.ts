// The filter of the scenario `wasm-header`, compiled from our SDK once a run: the same bytes for every peer.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFilter } from '../asbuild/compile.ts';

const entry = fileURLToPath(new URL('../filters/sdk/fixtures/both-ways.ts', import.meta.url));

/** A function that gives the path of the compiled file, and compiles when it is first called. */
export function filterIn(folder: string): () => Promise<string> {
  let file: Promise<string> | null = null;
  return () => {
    file ??= compile(join(folder, 'both-ways.wasm'));
    return file;
  };
}

async function compile(file: string): Promise<string> {
  writeFileSync(file, await compileFilter({ name: 'both-ways', entry, runtime: 'stub' }));
  return file;
}
