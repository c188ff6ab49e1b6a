// The tree's own files and what each imports, read from the text: what the rules and the figures of its shape are made of.
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';

export const ROOT = dirname(dirname(import.meta.dirname));

const FOLDERS = [
  'core',
  'filters',
  'plugins',
  'control',
  'bus',
  'asbuild',
  'cli',
  'scripts',
  'bench',
  'examples',
  'test',
];

export interface Import {
  readonly from: string;
  /** Path from the root for our own files, else a package or built-in. */
  readonly to: string;
  readonly own: boolean;
  /** Also when it is lazy: what is loaded later is in no circle of loading. */
  readonly typeOnly: boolean;
  /** Loaded by running code, at once or later. */
  readonly atRunTime: boolean;
}

export interface Tree {
  /** Text by path from the root, with '/'. */
  readonly sources: ReadonlyMap<string, string>;
  readonly imports: readonly Import[];
}

/** All but what is generated. */
export async function readTree(): Promise<Tree> {
  const sources = new Map<string, string>();
  for await (const file of glob(`{${FOLDERS.join(',')}}/**/*.{ts,mts,mjs,js}`, { cwd: ROOT })) {
    const path = file.replaceAll('\\', '/');
    if (path.endsWith('.d.ts') || /(^|\/)(out|node_modules|dist)\//.test(path)) continue;
    sources.set(path, readFileSync(join(ROOT, path), 'utf8'));
  }
  return { sources, imports: [...sources].flatMap(([path, text]) => importsOf(path, text)) };
}

/** From file to file of what people run: no tests, no benchmarks, no scripts. */
export function ownImports({ imports }: Tree): Import[] {
  return imports.filter(({ from, own }) => own && !/^(test|bench|scripts)\//.test(from));
}

/** Filters are AssemblyScript, which names files without their ending. */
function withEnding(path: string, importer: string): string {
  return importer.startsWith('filters/') && !path.endsWith('.ts') ? `${path}.ts` : path;
}

function importsOf(path: string, text: string): Import[] {
  // Comments hold examples; strings with `//` in them (addresses) are never what an import names.
  const code = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const pattern =
    /^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^'\n]+)'|(\btypeof\s+)?\b(?:import|createRequire\(import\.meta\.url\))\(\s*'([^'\n]+)'\s*\)/gm;
  const found: Import[] = [];
  for (const [, type, fixed, typeOf, lazy] of code.matchAll(pattern)) {
    const name = fixed ?? lazy;
    const own = name.startsWith('.');
    const to = own ? withEnding(posix.join(posix.dirname(path), name), path) : name;
    // A lazy import runs when its code does, so it makes no circle of loading; types it names stay types.
    const typeOnly = type !== undefined || fixed === undefined;
    found.push({ from: path, to, own, typeOnly, atRunTime: type === undefined && typeOf === undefined });
  }
  return found;
}
