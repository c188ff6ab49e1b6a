// `npm run build`: dist/, what is published. Node runs no TypeScript under node_modules, so tsc turns each file into its
// own .js beside the same neighbours; built filters and static files keep their places.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = dirname(import.meta.dirname);
const DIST = join(ROOT, 'dist');
const SHEBANG = '#!/usr/bin/env node\n';
/** Copied as they are when they exist. */
const STATIC = ['asbuild/out', 'control/static', 'examples/bookinfo/config'];

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST);
compile();
for (const folder of STATIC) {
  if (existsSync(join(ROOT, folder))) cpSync(join(ROOT, folder), join(DIST, folder), { recursive: true });
}
markExecutable(join(DIST, 'cli', 'mesh.js'));

function compile(): void {
  const config = {
    extends: '../tsconfig.json',
    compilerOptions: {
      noEmit: false,
      rootDir: '..',
      outDir: '.',
      declaration: true,
      allowImportingTsExtensions: false,
    },
    include: ['core', 'plugins', 'control', 'bus', 'cli', 'examples/bookinfo'].map((folder) => `../${folder}`),
    exclude: ['../node_modules', '../dist'],
  };
  const file = join(DIST, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(config));
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const result = spawnSync(tsc, ['-p', file], { cwd: ROOT, stdio: 'inherit' });
  rmSync(file);
  if (result.status !== 0) process.exit(1);
}

function markExecutable(file: string): void {
  if (!existsSync(file)) return;
  const text = readFileSync(file, 'utf8');
  if (!text.startsWith('#!')) writeFileSync(file, SHEBANG + text);
  chmodSync(file, 0o755);
}
