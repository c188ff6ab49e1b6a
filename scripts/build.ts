// `npm run build [FOLDER]`: dist/, what is published. Node runs no TypeScript under node_modules, so tsc turns each file into
// its own .js beside the same neighbours; built filters, the SDK's sources and static files keep their places.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tellUsage } from './usage.ts';

tellUsage('npm run build -- [FOLDER]: what is published, into FOLDER (dist without it), which is emptied first');
const ROOT = dirname(import.meta.dirname);
const OUT = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const SHEBANG = '#!/usr/bin/env node\n';
const SOURCES = ['core', 'plugins', 'control', 'bus', 'asbuild', 'cli', 'examples/bookinfo'];
/** Copied as they are when they exist. */
const STATIC = [
  'asbuild/out',
  'control/static',
  'examples/bookinfo/config',
  'filters/sdk',
  'plugins/scaffold/templates',
];

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
compile();
for (const folder of STATIC) {
  if (existsSync(join(ROOT, folder))) cpSync(join(ROOT, folder), join(OUT, folder), { recursive: true });
}
makeExecutable(join(OUT, 'cli', 'mesh.js'));

function compile(): void {
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      // `npm run check` checks the types; no file of the package is imported by a path that would read declarations.
      noCheck: true,
      // Every thread keeps the text of what it has loaded, and nobody reads it there.
      removeComments: true,
      allowImportingTsExtensions: false,
      rootDir: ROOT,
      outDir: OUT,
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    },
    include: SOURCES.map((folder) => join(ROOT, folder)),
    exclude: [join(ROOT, 'node_modules'), OUT],
  };
  const file = join(OUT, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(config));
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const { status } = spawnSync(tsc, ['-p', file], { cwd: ROOT, stdio: 'inherit' });
  rmSync(file);
  if (status !== 0) process.exit(1);
}

function makeExecutable(file: string): void {
  const text = readFileSync(file, 'utf8');
  if (!text.startsWith('#!')) writeFileSync(file, SHEBANG + text);
  chmodSync(file, 0o755);
}
