// What was built: the built-in filters' modules beside their manifest. Works in a checkout and in the published package;
// needs no compiler.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface BuiltFilter {
  readonly name: string;
  /** sha256 of the module, hex. */
  readonly digest: string;
  readonly bytes: number;
}

export interface Manifest {
  /** sha256 over everything that the modules are made from, hex. */
  readonly source: string;
  readonly filters: readonly BuiltFilter[];
}

export const OUT = join(import.meta.dirname, 'out');

/** The manifest, or null when nothing was built. */
export function readManifest(out = OUT): Manifest | null {
  let text: string;
  try {
    text = readFileSync(join(out, 'manifest.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return JSON.parse(text) as Manifest;
}

/** The built-in filters. Throws when they were not built. */
export function loadBuiltins(out = OUT): { name: string; digest: string; bytes: Buffer<ArrayBuffer> }[] {
  const manifest = readManifest(out);
  if (manifest === null) throw new Error(`the built-in filters are missing in ${out}: run \`npm run build\``);
  return manifest.filters.map(({ name, digest }) => ({ name, digest, bytes: readFileSync(join(out, `${name}.wasm`)) }));
}
