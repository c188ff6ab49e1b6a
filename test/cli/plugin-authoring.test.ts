import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { mesh } from './in-process.ts';

let home: string;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'mesh-plugin-new-'));
});
after(() => rmSync(home, { recursive: true, force: true }));

const run = (...args: readonly string[]) => mesh(['plugin', ...args], { cwd: home });

suite('from mesh plugin new to a module', () => {
  test('a new folder builds, and its tests pass', async () => {
    const made = await run('new', 'hello-world');
    assert.deepEqual([made.code, made.err], [0, '']);
    assert.match(made.out, /^hello-world\/\.gitignore\n/);
    assert.match(made.out, /\nhello-world\/filter\.ts\n/);
    const built = await run('build', 'hello-world', '--json');
    assert.equal(built.code, 0, built.err);
    const { name, size, digest, capabilities, debug } = JSON.parse(built.out);
    const wasm = join(home, 'hello-world', 'build', 'release.wasm');
    assert.deepEqual([name, size], ['hello-world', statSync(wasm).size]);
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(capabilities, ['read_headers', 'change_headers', 'log']);
    assert.ok(existsSync(join(home, debug)) || existsSync(debug));
    const maps = readdirSync(join(home, 'hello-world', 'build')).sort();
    assert.deepEqual(maps, ['debug.wasm', 'debug.wasm.map', 'release.wasm', 'release.wasm.map']);
    const { sources } = JSON.parse(readFileSync(`${wasm}.map`, 'utf8'));
    assert.ok(sources.some((source: string) => source.endsWith('filter.ts')));
    const tried = await run('try', 'hello-world', '--json');
    assert.equal(tried.code, 0, tried.err);
    assert.deepEqual(JSON.parse(tried.out).response.headers, [
      ['x-hello-world', 'hello from hello-world'],
      ['content-length', '0'],
    ]);
    const packed = await run('pack', 'hello-world', '--json', '--out', join(home, 'hello-world.tgz'));
    assert.equal(packed.code, 0, packed.err);
    assert.ok(JSON.parse(packed.out).size > 1000);
    const tested = await run('test', 'hello-world', '--json');
    assert.equal(tested.code, 0, tested.out);
    const report = JSON.parse(tested.out);
    assert.deepEqual([report.passed, report.failed], [5, 0]);
    assert.ok(report.coverage.proxy_on_response_headers >= 4);
  });

  test('so does one for a filter of connections, which is written in AssemblyScript alone', async () => {
    const made = await run('new', 'preface', '--type', 'network');
    assert.equal(made.code, 0, made.err);
    const tested = await run('test', 'preface', '--build', '--json');
    assert.equal(tested.code, 0, tested.out + tested.err);
    const { passed, failed } = JSON.parse(tested.out);
    assert.deepEqual([passed, failed], [3, 0]);
    const { mesh: told } = JSON.parse(readFileSync(join(home, 'preface', 'package.json'), 'utf8'));
    assert.deepEqual([told.plugin.type, told.plugin.capabilities], ['network', ['read_data', 'change_data', 'log']]);
  });

  test('what does not compile is told at its place, and what was built before stays', async () => {
    await run('new', 'broken');
    const folder = join(home, 'broken');
    assert.equal((await run('build', 'broken', '--no-debug')).code, 0);
    const wasm = join(folder, 'build', 'release.wasm');
    const before = readFileSync(wasm);
    const filter = join(folder, 'filter.ts');
    const text = readFileSync(filter, 'utf8');
    writeFileSync(filter, text.replace('head.has(this.header)', 'head.hass(this.header)'));
    const at = text.slice(0, text.indexOf('head.has(')).split('\n').length;
    const { code, out, err } = await run('test', 'broken', '--build');
    assert.deepEqual([code, out], [1, '']);
    const place = new RegExp(
      `^broken/filter\\.ts:${at}:\\d+: Property 'hass' does not exist[^\\n]*\\nmesh: an error in the filter: nothing was built\\n$`,
    );
    assert.match(err, place);
    assert.deepEqual(readFileSync(wasm), before);
  });

  test('Rust and Go get the project of their public SDK with the same tests', async () => {
    for (const [language, source] of [
      ['rust', 'src/lib.rs'],
      ['go', 'main.go'],
    ]) {
      const { code, out } = await run('new', 'other', '--lang', language, '--dir', language, '--json');
      assert.equal(code, 0);
      const { files } = JSON.parse(out);
      assert.ok(files.includes(source) && files.includes('tests/other.yaml') && files.includes('schema.json'), out);
      const texts = files.map((file: string) => readFileSync(join(home, language, file), 'utf8')).join('\n');
      assert.doesNotMatch(texts, /\{\{\w+\}\}/);
    }
  });

  test('nothing is written over, and names are names', async () => {
    const cases: (readonly [readonly string[], RegExp])[] = [
      [['new', 'again', '--dir', '.'], /^mesh: [^\n]* is not empty\n$/],
      [['new', 'Not_A_Name'], /lower-case letters, digits and dashes/],
      [['new', 'x', '--lang', 'cobol'], /Allowed choices are assemblyscript, rust, go/],
      [['new', 'x', '--lang', 'rust', '--type', 'network'], /is made in assemblyscript, not in rust\n$/],
      [['build', 'nowhere'], /^mesh: there is no nowhere\/package\.json: [^\n]*\n$/],
    ];
    await run('new', 'first');
    for (const [args, expected] of cases) {
      const { code, out, err } = await run(...args);
      assert.match(err, expected);
      assert.deepEqual([code, out], [2, '']);
    }
    rmSync(join(home, 'first', 'filter.ts'));
    const { code, err } = await run('build', 'first');
    assert.equal(code, 2);
    assert.match(err, /^mesh: first has neither filter\.ts nor Cargo\.toml nor go\.mod: nothing to build\n$/);
  });
});
