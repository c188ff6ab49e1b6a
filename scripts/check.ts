// `npm run check`: lint and format (Biome), types (tsc), the shape of the tree and its figures, the build. Runs all, then says which failed.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { tellUsage } from './usage.ts';

tellUsage('npm run check: lint and format, types, the shape of the tree and its figures, the tables, the build');
const ROOT = dirname(import.meta.dirname);
const bin = (name: string): string => join(ROOT, 'node_modules', '.bin', name);

const steps: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'lint and format',
    bin('biome'),
    ['ci', '--error-on-warnings', `--colors=${process.stdout.isTTY ? 'force' : 'off'}`, '.'],
  ],
  ['types', bin('tsc'), ['-p', '.']],
  ['shape of the tree', process.execPath, ['--test', '--test-reporter=dot', 'test/architecture.test.ts']],
  ['figures of the shape', process.execPath, ['scripts/shape/figures.ts']],
  ['tables of what is right', process.execPath, ['scripts/tables.ts']],
  ['build', process.execPath, ['scripts/build.ts']],
];

const failed: string[] = [];
for (const [name, command, args] of steps) {
  process.stdout.write(`\n== ${name}\n`);
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (result.error !== undefined) process.stdout.write(`${result.error.message}\n`);
  if (result.status !== 0) failed.push(name);
}
process.stdout.write(failed.length === 0 ? '\ncheck: all good\n' : `\ncheck: failed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
