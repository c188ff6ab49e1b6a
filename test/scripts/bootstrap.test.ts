// What npm's end does to what it started: nothing that a script began stays behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { ROOT } from '../../scripts/shape/imports.ts';
import { eventually } from '../until.ts';

test('what a script needs first is loaded from files that are there', () => {
  const source = readFileSync(join(ROOT, 'scripts', 'bootstrap.mjs'), 'utf8');
  const loaded = [...source.matchAll(/join\(ROOT, '([^)]*\.ts)'\)/g)].map(([, path]) => path.split("', '"));
  assert.ok(loaded.length > 1);
  assert.deepEqual(
    loaded.filter((path) => !existsSync(join(ROOT, ...path))),
    [],
  );
});

suite('a script that npm runs', { skip: process.platform === 'win32' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-npm-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const told = join(folder, 'told');
  const started = join(folder, 'started');
  const script = join(folder, 'script.ts');
  writeFileSync(
    script,
    `import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => { writeFileSync('${told}', ''); process.exit(); });
setInterval(() => {}, 1000);
writeFileSync('${started}', String(process.pid));
`,
  );

  /** As npm does: a shell that stays between the two. */
  async function npm(): Promise<{ child: ChildProcess; pid: number }> {
    for (const file of [told, started]) rmSync(file, { force: true });
    const line = `"${process.execPath}" scripts/bootstrap.mjs "${script}"; true`;
    const program = `const child = require('node:child_process').spawn('/bin/sh', ['-c', process.argv[1]], { stdio: 'ignore' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', () => process.exit(1));`;
    const child = spawn(process.execPath, ['-e', program, line], {
      cwd: ROOT,
      env: { ...process.env, npm_lifecycle_event: 'demo', NODE_TEST_CONTEXT: undefined },
      stdio: 'ignore',
    });
    let pid = 0;
    // The file is there before anything stands in it.
    await eventually(() => {
      pid = Number(readFileSync(started, 'utf8'));
      assert.ok(pid > 0);
    });
    return { child, pid };
  }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`stops in order when npm gets a ${signal}`, async () => {
      const { child, pid } = await npm();
      child.kill(signal);
      await once(child, 'exit');
      await eventually(async () => assert.ok(existsSync(told), 'it was told to stop'));
      await eventually(async () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }));
    });
  }
});
