import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { guest } from '../core/wasm/guests.ts';
import { busy } from '../plugins/wat.ts';
import { mesh } from './in-process.ts';
import { Running } from './mesh.ts';

let home: string;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'mesh-plugin-test-'));
});
after(() => rmSync(home, { recursive: true, force: true }));

/** A plugin's folder with these fixtures. */
function pluginFolder(
  name: string,
  fixtures: Readonly<Record<string, string>>,
  wasm = busy(),
  manifest: object = {},
): string {
  const folder = join(home, name);
  mkdirSync(join(folder, 'tests'), { recursive: true });
  writeFileSync(join(folder, 'release.wasm'), wasm);
  const packageJson = { name: `mesh-plugin-${name}`, mesh: { plugin: { wasm: 'release.wasm', ...manifest } } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(packageJson));
  for (const [file, text] of Object.entries(fixtures)) writeFileSync(join(folder, 'tests', file), text);
  return folder;
}

const GOOD = 'name: marks requests\nrequest: { path: / }\nexpect: { request: { headers: { x-busy: yes } } }\n';
const BAD = 'name: is idle\nrequest: {}\nexpect:\n  request:\n    headers:\n      x-busy: no\n';

suite('mesh plugin test', () => {
  test('prints a line a test, and how often each callback ran', async () => {
    pluginFolder('good', { 'a.yaml': GOOD, 'b.yml': GOOD });
    const { code, out, err } = await mesh(['plugin', 'test', 'good'], { cwd: home });
    assert.deepEqual([code, err], [0, '']);
    assert.match(
      out,
      /^good\/tests\/a\.yaml\n {2}✔ marks requests\ngood\/tests\/b\.yml\n {2}✔ marks requests\n\ncallbacks: request_headers 2, response_headers 2\n2 passed \(\d+ ms\)\n$/,
    );
  });

  test('what is different is told as a diff at its place, with exit code 1', async () => {
    const folder = pluginFolder('bad', { 'a.yaml': `${GOOD}---\n${BAD}` });
    const { code, out } = await mesh(['plugin', 'test'], { cwd: folder });
    assert.equal(code, 1);
    assert.match(out, / {2}✖ is idle\n {6}tests\/a\.yaml:10:7 request header x-busy\n {8}- "no"\n {8}\+ "yes"\n/);
    assert.match(out, /1 of 2 failed \(\d+ ms\)\n$/);
  });

  test('--json prints one object', async () => {
    const folder = pluginFolder('json', { 'a.yaml': `${GOOD}---\n${BAD}` });
    const { code, out } = await mesh(['plugin', 'test', folder, '--json'], { cwd: home });
    assert.equal(code, 1);
    const report = JSON.parse(out);
    assert.deepEqual([report.plugin, report.passed, report.failed], ['json', 1, 1]);
    assert.deepEqual(report.coverage, { proxy_on_request_headers: 2, proxy_on_response_headers: 2 });
    const [good, bad] = report.tests;
    assert.deepEqual([good.name, good.passed, good.line], ['marks requests', true, 1]);
    assert.deepEqual(bad.failures, [
      {
        step: '',
        what: 'request header x-busy',
        expected: '"no"',
        actual: '"yes"',
        place: { file: 'json/tests/a.yaml', line: 10, column: 7 },
      },
    ]);
  });

  test('a wrong fixture, a folder without tests or without a manifest is exit code 2, a refused module 3', async () => {
    const wrong = pluginFolder('wrong', { 'a.yaml': 'name: a\nreqest: {}\nrequest: {}\nexpect: {}' });
    const cases: (readonly [string, number, RegExp])[] = [
      [
        wrong,
        2,
        /^wrong\/tests\/a\.yaml:2:1: a test has no "reqest"; it has [^\n]*\nmesh: 1 problem in the fixtures\n$/,
      ],
      [pluginFolder('empty', {}), 2, /^mesh: [^\n]*empty has no tests: write tests\/NAME\.yaml\n$/],
      [home, 2, /^mesh: there is no [^\n]*package\.json: [^\n]*`mesh plugin new` writes it\n$/],
      [
        pluginFolder('old', { 'a.yaml': GOOD }, guest({ abi: '' })),
        3,
        /^mesh: [^\n]*release\.wasm cannot run: [^\n]*\n$/,
      ],
    ];
    for (const [folder, expected, message] of cases) {
      const { code, out, err } = await mesh(['plugin', 'test', folder], { cwd: home });
      assert.match(err, message);
      assert.deepEqual([code, out], [expected, '']);
    }
  });

  test('a manifest that the mesh would refuse is refused as it is there, with its place', async () => {
    const pooled = { type: 'network', isolation: 'pool' };
    const folder = pluginFolder('pooled', { 'a.yaml': GOOD }, busy(), pooled);
    const { code, out, err } = await mesh(['plugin', 'test', folder], { cwd: home });
    assert.deepEqual([code, out], [3, '']);
    assert.equal(
      err,
      'Plugin/default/pooled /spec/isolation: pool is for HTTP filters, and this plugin is of type network\n' +
        'mesh: the mesh would refuse the Plugin that pooled is installed as\n',
    );
  });

  test('--bench says what each callback of the fixtures’ requests costs', async () => {
    const folder = pluginFolder('bench', { 'a.yaml': GOOD });
    const { code, out } = await mesh(['plugin', 'test', folder, '--bench', '--json']);
    assert.equal(code, 0);
    const report = JSON.parse(out);
    assert.ok(report.exchanges > 0 && report.fuelPerExchange > 0 && report.nsPerExchange >= 0, out);
    const callbacks = report.callbacks as { callback: string; calls: number; fuel: number }[];
    assert.deepEqual(
      callbacks.map(({ callback, calls }) => [callback, calls]),
      [
        ['proxy_on_request_headers', report.exchanges],
        ['proxy_on_response_headers', report.exchanges],
      ],
    );
    assert.ok(callbacks.every(({ fuel }) => fuel > 0));
    assert.equal(report.grownBytes, 0);
    const words = await mesh(['plugin', 'test', folder, '--bench']);
    assert.match(words.out, /^CALLBACK +CALLS +NS A CALL +FUEL A CALL\nrequest_headers +\d+ +\d+ +\d+\n/);
    assert.match(words.out, /\nmemory: 64 KiB, grew by 0 KiB\n$/);
    const idle = pluginFolder('idle', { 'a.yaml': 'name: starts\nstarted: { logs: [] }\n' });
    const nothing = await mesh(['plugin', 'test', idle, '--bench']);
    assert.deepEqual([nothing.code, nothing.out], [2, '']);
  });

  test('--watch runs again on every save, and waits out what is wrong', async () => {
    const folder = pluginFolder('watched', { 'a.yaml': GOOD });
    const running = new Running(['plugin', 'test', folder, '--watch'], { cwd: home });
    const fixture = join(folder, 'tests', 'a.yaml');
    await running.says(/1 passed/);
    writeFileSync(fixture, BAD);
    await running.says(/tests\/a\.yaml saved\n[\s\S]*1 of 1 failed/);
    writeFileSync(fixture, 'name: a\nreqest: {}\nrequest: {}\nexpect: {}');
    await running.says(/mesh: 1 problem in the fixtures/);
    writeFileSync(fixture, `${GOOD}---\n${GOOD}`);
    await running.says(/2 passed/);
    assert.equal((await running.stop('SIGINT')).code, 0);
    const { code, err } = await mesh(['plugin', 'test', folder, '--watch', '--json']);
    assert.equal(code, 2);
    assert.match(err, /--watch goes with neither --bench nor --json/);
  });
});
