import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../../scripts/shape/imports.ts';
import { ALONE, GROUPS, grouped, LONG } from '../../scripts/test-groups.ts';
import type { Cost } from '../../scripts/test-process.ts';

suite('which test files share a process', () => {
  test('those of a folder do, a file that needs its own has it, and one that is left over as well', () => {
    const { alone, groups } = grouped([
      'test/core/host-port.test.ts',
      'test/core/timers.test.ts',
      'test/core/wasm/values.test.ts',
      'test/core/threads/crew.test.ts',
      'test/cli/run.test.ts',
    ]);
    assert.deepEqual([...groups], [['core', ['test/core/host-port.test.ts', 'test/core/timers.test.ts']]]);
    assert.deepEqual(alone, [
      'test/cli/run.test.ts',
      'test/core/threads/crew.test.ts',
      'test/core/wasm/values.test.ts',
    ]);
  });

  test('who takes long begins before the others', () => {
    const { alone } = grouped(['test/architecture.test.ts', ...LONG.toReversed()]);
    assert.deepEqual(alone, [...LONG, 'test/architecture.test.ts']);
  });

  test('every folder and file that the lists name is there', () => {
    const named = [...Object.values(GROUPS).flat(), ...ALONE, ...LONG];
    assert.deepEqual(
      named.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  });
});

suite('a group of test files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-group-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What became of a process that runs files of these sources. */
  function run(sources: Readonly<Record<string, string>>) {
    const paths = Object.entries(sources).map(([name, source]) => {
      const path = join(folder, name);
      writeFileSync(path, `import { before, test } from 'node:test';\n${source}\n`);
      return path;
    });
    const script = (name: string): string => pathToFileURL(join(ROOT, 'scripts', name)).href;
    const entry = join(folder, 'entry.mjs');
    const call = `runGroup(${JSON.stringify(folder)}, ${JSON.stringify(paths)});`;
    writeFileSync(entry, `import { runGroup } from ${JSON.stringify(script('test-group.ts'))};\n${call}\n`);
    const costs = join(folder, 'costs');
    rmSync(costs, { force: true });
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', script('test-process.ts'), entry], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined, WEFT_TEST_COSTS: costs },
      encoding: 'utf8',
      timeout: 60_000,
    });
    const lines = readFileSync(costs, 'utf8').trim().split('\n');
    return { status, stdout, stderr, costs: lines.map((line) => JSON.parse(line) as Cost) };
  }

  test('runs the hooks of a file for its tests alone, names the file of what fails, and tells what each costs', () => {
    const { status, stdout, costs } = run({
      'first.test.ts': `let begun: number = 0; before(() => begun++); test('began', () => { if (begun !== 1) throw new Error() });`,
      'second.test.ts': `test('works', () => { const spent = () => process.cpuUsage().user / 1e6; for (const end = spent() + 0.4; spent() < end; ); }); test('fails', () => { throw new Error('no') });`,
      'third.test.ts': `await null; test('comes later', () => {}); throw new Error('does not load');`,
    });
    assert.equal(status, 1, stdout);
    assert.match(stdout, /▶ first\.test\.ts\n {2}✔ began /);
    assert.match(stdout, /▶ second\.test\.ts\n {2}✔ works .*\n {2}✖ fails /);
    assert.match(stdout, /✖ third\.test\.ts /);
    assert.match(stdout, /ℹ tests 4\n/);
    const [first, second, third, shared] = costs;
    assert.ok(second.wall >= 0.4 && second.cpu >= 0.4 && second.cpu > first.cpu, JSON.stringify(costs));
    assert.ok(third.file.endsWith('third.test.ts') && shared.file.endsWith('entry.mjs') && shared.cpu > 0);
  });

  test('whose process ends in the middle says in which file', () => {
    const { status, stderr } = run({
      'a.test.ts': `test('passes', () => {});`,
      'b.test.ts': `test('ends it', () => process.exit(3));`,
      'c.test.ts': `test('is not reached', () => {});`,
    });
    assert.equal(status, 3);
    assert.match(stderr, /^the process ended while .*\/b\.test\.ts ran$/m);
  });
});
