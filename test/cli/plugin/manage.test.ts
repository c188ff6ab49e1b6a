import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Api } from '../../../cli/api.ts';
import { readContext } from '../../../cli/context.ts';
import type { PluginSpec } from '../../../core/config/kinds/plugin.ts';
import { edge } from '../edge.ts';
import { mesh } from '../in-process.ts';
import { type Outcome, Running, temporaryHome } from '../mesh.ts';
import { adding, calling, packageFolder, SCHEMA } from './packages.ts';
import { Registry } from './registry.ts';

const { home, remove } = temporaryHome();
const work = join(home, 'work');
const registry = new Registry();
let up: Running;
let proxy: Running;
let api: Api;

const run = (...args: readonly string[]): Promise<Outcome> => mesh(['plugin', ...args], { home, cwd: work });

async function done(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  assert.equal(code, 0, err);
  return out;
}

async function refused(exitCode: number, line: RegExp, ...args: readonly string[]): Promise<void> {
  const { code, err } = await run(...args);
  assert.match(err, line);
  assert.equal(code, exitCode, err);
}

async function spec(name = 'adder'): Promise<PluginSpec | undefined> {
  return (await api.resources({ kind: 'Plugin', name })).items[0]?.spec as PluginSpec | undefined;
}

const locked = (name = 'adder') =>
  JSON.parse(readFileSync(join(work, 'mesh-plugins.lock'), 'utf8')).plugins[`istio-system/${name}`];

suite('installed plugins', { timeout: 220_000 }, () => {
  before(async () => {
    mkdirSync(work);
    await registry.start();
    const settings = [`registry=${registry.url}`, 'fetch-retries=0', `cache=${join(home, 'npm')}`];
    writeFileSync(join(work, '.npmrc'), settings.join('\n'));
    const common = { schema: SCHEMA, plugin: { defaultConfig: { header: 'x-a' } }, name: 'mesh-plugin-adder' };
    await registry.publish({ ...common, version: '1.0.0', module: adding('one') });
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    api = new Api(await readContext(home));
    proxy = new Running(['proxy', '--name', 'edge', '--shards', '1', '--gateway-port', '80=0'], { home });
    await proxy.ready;
    await api.apply([{ name: 'gateway', text: edge('directResponse: { status: 200 }') }]);
    await done('install', 'mesh-plugin-adder@^1', '--yes');
    await registry.publish({ ...common, version: '1.1.0', module: adding('two') });
    await registry.publish({ ...common, version: '2.0.0', module: calling() });
  });
  after(async () => {
    await Promise.all([proxy?.stop(), registry.stop()]);
    await up?.stop();
    remove();
  });

  test('list shows what is installed, and who runs it once it is enabled', async () => {
    assert.match(await done('list'), /^adder +istio-system +1\.0\.0 +no +0\/1 +[0-9a-f]{12} +0 +- +-$/m);
    assert.equal(await done('enable', 'adder'), 'adder enabled\n');
    const [row] = JSON.parse(await done('list', '--json'));
    assert.deepEqual([row.name, row.enabled, row.selector, row.version], ['adder', true, 'all', '1.0.0']);
    assert.deepEqual([row.running.proxies, row.running.failing], [['edge.istio-system'], []]);
    assert.ok(row.running.memory > 0);
    assert.equal(`sha256:${row.running.digests[0]}`, row.digest);
    assert.match(await done('ls'), /^adder +istio-system +1\.0\.0 +all +1\/1 /m);
  });

  test('config shows, changes single values or all, by the schema, in every proxy or in none', async () => {
    assert.equal(await done('config', 'adder'), 'header: x-a\n');
    assert.deepEqual(JSON.parse(await done('config', 'adder', '--schema')).required, ['header']);
    assert.equal(await done('config', 'adder', '--set', 'header=x-b', '--set', 'limits.most=3'), 'adder configured\n');
    assert.deepEqual((await spec())?.config, { header: 'x-b', limits: { most: 3 } });
    const before = await spec();
    await refused(
      3,
      /^mesh: trial: .*config\.limits\.most must be integer; nothing was changed$/m,
      'config',
      'adder',
      '--set',
      'limits.most=a',
    );
    await refused(3, /config\.header is missing/, 'config', 'adder', '--unset', 'header');
    await refused(2, /^mesh: --set: header is no object/m, 'config', 'adder', '--set', 'header.x=1');
    assert.deepEqual(await spec(), before);
    writeFileSync(join(work, 'config.yaml'), 'header: x-c\n');
    await done('config', 'adder', '-f', 'config.yaml');
    assert.deepEqual((await spec())?.config, { header: 'x-c' });
    const edit = await mesh(['plugin', 'config', 'adder', '--edit'], {
      ...{ home, cwd: work, env: { EDITOR: 'sed -i s/x-c/x-d/', VISUAL: '' } },
    });
    assert.equal(edit.code, 0, edit.err);
    assert.deepEqual((await spec())?.config, { header: 'x-d' });
  });

  test('update takes the newest of the range, keeps the configuration, and rollback gives the old code back', async () => {
    const old = await spec();
    assert.match(await done('update', '--dry-run'), /^adder 1\.0\.0 -> 1\.1\.0 \(dry run\)$/m);
    assert.equal((await spec())?.version, '1.0.0');
    assert.equal(await done('update', '--yes'), 'adder 1.0.0 -> 1.1.0\n');
    const fresh = await spec();
    assert.deepEqual([fresh?.version, fresh?.enabled, fresh?.config], ['1.1.0', true, { header: 'x-d' }]);
    assert.deepEqual([locked().version, locked().digest], ['1.1.0', fresh?.digest]);
    assert.equal(await done('update', 'adder'), 'adder 1.1.0 is up to date\n');

    registry.failing = 500;
    const { out } = await run('rollback', 'adder');
    registry.failing = 0;
    assert.match(out, /^adder is 1\.0\.0 again, as at revision \d+$/m);
    assert.deepEqual(await spec(), old);
    assert.equal(locked().digest, old?.digest);
    await refused(
      1,
      /^mesh: adder was not 7\.0\.0 in any revision that is kept$/m,
      'rollback',
      'adder',
      '--to',
      '7.0.0',
    );
    assert.match(await done('rollback', 'adder', '--to', '1.1.0'), /^adder is 1\.1\.0 again/);
  });

  test('a new version that wants more is not taken without an agreement', async () => {
    const before = await spec();
    await refused(
      3,
      /^mesh: allow: adder 2\.0\.0 wants http_call .* --allow http_call; it was not updated$/m,
      'update',
      'adder@^2',
      '--yes',
    );
    assert.deepEqual(await spec(), before);
    assert.equal(locked().version, '1.1.0');
  });

  test('info says what it is and may do, installed or not', async () => {
    const installed = await done('info', 'adder');
    assert.match(installed, /^ {4}- change the headers of requests and responses \(change_headers\)$/m);
    const facts = JSON.parse(await done('info', 'mesh-plugin-adder@2.0.0', '--json'));
    assert.deepEqual([facts.installed, facts.version, facts.capabilities[0].name], [false, '2.0.0', 'http_call']);
    assert.equal(facts.signature, registry.keyid);
  });

  test('an installed plugin is tried by its name, with the configuration that it has', async () => {
    const report = JSON.parse(await done('try', 'adder', '--json'));
    assert.deepEqual([report.accepted, report.trap], [true, null]);
    assert.ok(report.request.headers.some(([name]: [string]) => name === 'x-added'));
    await refused(2, /^mesh: there is neither a file nor an installed plugin nobody$/m, 'try', 'nobody');
  });

  test('search asks the registry for the keyword', async () => {
    assert.match(await done('search', 'add'), /^mesh-plugin-adder +2\.0\.0 +no/m);
    assert.match(registry.asked.at(-1) ?? '', /text=keywords:mesh-plugin add/);
    registry.failing = 503;
    await refused(5, /answers 503/, 'search');
    registry.failing = 0;
  });

  test('verify compares the mesh with the lockfile', async () => {
    assert.match(await done('verify'), /^adder +ok$/m);
    const file = join(work, 'mesh-plugins.lock');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replaceAll(locked().digest, `sha256:${'0'.repeat(64)}`));
    await refused(3, /^mesh: 1 of 1 plugins are not what the lockfile says$/m, 'verify');
    writeFileSync(file, text);
    await refused(3, /are not what/, 'verify', 'other');
  });

  test('a change that a proxy refuses is taken back, in the mesh and in the lockfile', async () => {
    const before = await spec();
    const text = readFileSync(join(work, 'mesh-plugins.lock'), 'utf8');
    proxy.child.kill('SIGSTOP');
    const { code, err } = await run('update', 'adder@1.0.0', '--yes', '--timeout', '500ms');
    proxy.child.kill('SIGCONT');
    assert.equal(code, 4, err);
    assert.match(err, /^mesh: wait: no answer within 0\.5 s from edge\.istio-system; everything is as it was before$/m);
    assert.deepEqual(await spec(), before);
    assert.equal(readFileSync(join(work, 'mesh-plugins.lock'), 'utf8'), text);
  });

  test('disable and uninstall take it out', async () => {
    assert.equal(await done('disable', 'adder'), 'adder disabled\n');
    assert.equal((await spec())?.enabled, false);
    assert.equal(await done('uninstall', 'adder'), 'adder uninstalled\n');
    assert.equal(await spec(), undefined);
    assert.equal(locked(), undefined);
    await refused(1, /^mesh: no plugin istio-system\/adder is installed; there is none$/m, 'uninstall', 'adder');
    assert.match(await done('list'), /^no plugins/);
  });

  test('pack makes the same bytes of the same folder, and checks what an installation checks', async () => {
    packageFolder(join(work, 'own'), { name: '@acme/own', plugin: { capabilities: ['change_headers'] } });
    const first = JSON.parse(await done('pack', 'own', '--json'));
    assert.deepEqual(
      [first.name, first.file, existsSync(join(work, first.file))],
      ['@acme/own', 'acme-own-1.0.0.tgz', true],
    );
    assert.equal(JSON.parse(await done('pack', 'own', '--out', 'b.tgz', '--json')).integrity, first.integrity);
    assert.match(await done('install', first.file, '--yes'), /^acme-own 1\.0\.0 installed/);
    packageFolder(join(work, 'open'), { name: '@acme/open' });
    await refused(
      3,
      /capabilities is missing: say what it may do, which is \["change_headers"\]; nothing was packed$/m,
      'pack',
      'open',
    );
    assert.match(await done('publish', 'own', '--dry-run'), /^@acme\/own@1\.0\.0 would be published \(dry run\)$/m);
  });
});
