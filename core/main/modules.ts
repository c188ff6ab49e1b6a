// The built-in filters, compiled once on the main thread: shards get WebAssembly.Modules, never bytes.

import { readFile } from 'node:fs/promises';
import type { ModuleSpec } from '../shard/protocol.ts';

interface Manifest {
  readonly filters: readonly { readonly name: string; readonly digest: string }[];
}

/** From source they lie in asbuild/out, in the published package in dist/asbuild/out: beside core either way. */
const FOLDER = new URL('../../asbuild/out/', import.meta.url);

/** Rejects when the filters have not been built. */
export async function loadBuiltins(folder: URL = FOLDER): Promise<ModuleSpec[]> {
  const manifest = await readManifest(folder);
  return Promise.all(
    manifest.filters.map(async ({ name, digest }) => ({
      name,
      digest,
      module: await WebAssembly.compile(await readFile(new URL(`${name}.wasm`, folder))),
    })),
  );
}

async function readManifest(folder: URL): Promise<Manifest> {
  try {
    return JSON.parse(await readFile(new URL('manifest.json', folder), 'utf8')) as Manifest;
  } catch (error) {
    throw new Error(
      'the built-in filters are not built: run "npm run build" (or any npm script of this project) first',
      {
        cause: error,
      },
    );
  }
}
