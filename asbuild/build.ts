// filters/ -> asbuild/out/: compiles the built-in filters when anything that they are made from has changed.

import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { ORDER, PROTOCOLS } from '../core/builtins/order.ts';
import { compileFilter } from './compile.ts';
import { type BuiltFilter, type Manifest, OUT, readManifest } from './manifest.ts';

const ROOT = dirname(import.meta.dirname);
const FILTERS = join(ROOT, 'filters');

const entryOf = (name: string, file: string): string => join(FILTERS, name, `${file}.ts`);

/** By the order of the chain: filters/<name>/index.ts, and the variants beside it. */
const OF_CHAINS = ORDER.flatMap(({ name, variants = [], allocates = true }) => {
  const runtime = allocates ? 'minimal' : 'stub';
  return [
    { name, entry: entryOf(name, 'index'), runtime } as const,
    ...variants.map((variant) => ({ name: `${name}-${variant}`, entry: entryOf(name, variant), runtime }) as const),
  ];
});
export const MODULES = [
  ...OF_CHAINS,
  ...PROTOCOLS.map((name) => ({ name, entry: entryOf(name, 'index'), runtime: 'minimal' }) as const),
];

/** Builds what is out of date. Rejects with the compiler's messages, and then leaves what was built before. */
export async function buildFilters(out = OUT, modules: typeof MODULES = MODULES): Promise<Manifest> {
  const source = sourceDigest();
  const before = readManifest(out);
  const kept = before?.source === source ? before.filters.filter((filter) => intact(out, filter)) : [];
  if (before !== null && kept.length === modules.length) return before;
  const filters: BuiltFilter[] = [];
  const built = new Map<string, Uint8Array>();
  for (const module of modules) {
    const known = kept.find(({ name }) => name === module.name);
    if (known !== undefined) {
      filters.push(known);
      continue;
    }
    const wasm = await compileFilter(module);
    built.set(module.name, wasm);
    const digest = createHash('sha256').update(wasm).digest('hex');
    filters.push({ name: module.name, digest, bytes: wasm.length });
  }
  mkdirSync(out, { recursive: true });
  for (const [name, wasm] of built) replace(join(out, `${name}.wasm`), wasm);
  const manifest: Manifest = { source, filters };
  replace(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** Everything that decides what comes out: the filters' files, how they are compiled, by which compiler. */
export function sourceDigest(): string {
  const hash = createHash('sha256');
  const files = readdirSync(FILTERS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  files.push(...['build.ts', 'compile.ts', 'compiler.ts'].map((name) => join(import.meta.dirname, name)));
  files.push(
    ...globSync(join(ROOT, 'core', 'builtins', '**', '{order,layout}.ts')),
    join(ROOT, 'node_modules', 'assemblyscript', 'package.json'),
  );
  for (const file of files.sort())
    hash.update(relative(ROOT, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function intact(out: string, filter: BuiltFilter): boolean {
  return statSync(join(out, `${filter.name}.wasm`), { throwIfNoEntry: false })?.size === filter.bytes;
}

/** Whoever reads meanwhile sees the old file or the new one. */
function replace(file: string, contents: string | Uint8Array): void {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, contents);
  renameSync(next, file);
}

if (import.meta.main) {
  const { filters } = await buildFilters();
  for (const { name, bytes, digest } of filters)
    process.stdout.write(`${name} ${bytes} bytes ${digest.slice(0, 12)}\n`);
}
