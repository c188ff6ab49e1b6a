// The modules of the scenarios with one WebAssembly filter, built once a run: the same bytes for every peer. One is compiled
// from our SDK; those in filters/ are written with the public SDKs of their languages and built by the languages' compilers.

import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFilter } from '../asbuild/compile.ts';
import { buildProject } from '../cli/plugin/build.ts';
import { readProject } from '../plugins/project.ts';
import { cacheFolder } from './peers/fetched.ts';
import type { WasmFilter } from './setups.ts';

/** Path of a module. Rejects with what is missing to build it. */
export type FilterFile = (filter: WasmFilter) => Promise<string>;

const entry = fileURLToPath(new URL('../filters/sdk/fixtures/both-ways.ts', import.meta.url));

/** Builds a module when it is first asked for; `folder` is the run's own. */
export function filtersIn(folder: string): FilterFile {
  const files = new Map<WasmFilter, Promise<string>>();
  return (filter) => {
    const file = files.get(filter) ?? build(filter, folder);
    files.set(filter, file);
    return file;
  };
}

function build(filter: WasmFilter, folder: string): Promise<string> {
  switch (filter) {
    case 'wasm-header':
      return compile(join(folder, 'both-ways.wasm'));
    case 'wasm-rust':
      return buildIn('rust');
    case 'wasm-go':
      return buildIn('go');
  }
}

async function compile(file: string): Promise<string> {
  writeFileSync(file, await compileFilter({ name: 'both-ways', entry, runtime: 'stub' }));
  return file;
}

/** As `mesh plugin build` does, where compilers keep what they built for the next run. */
async function buildIn(language: 'rust' | 'go'): Promise<string> {
  const folder = cacheFolder(`filter-${language}`);
  cpSync(fileURLToPath(new URL(`filters/${language}`, import.meta.url)), folder, { recursive: true });
  return (await buildProject(await readProject(folder), 'release')).wasm;
}
