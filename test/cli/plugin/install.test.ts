import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { Api } from '../../../cli/api.ts';
import { readContext } from '../../../cli/context.ts';
import { CliError } from '../../../cli/exit.ts';
import { agreement } from '../../../cli/plugin/agree.ts';
import { controlPlane } from '../../../cli/plugin/control-plane.ts';
import { inSteps } from '../../../cli/plugin/progress.ts';
import type { PluginSpec } from '../../../core/config/kinds/plugin.ts';
import type { Resource } from '../../../core/config/resource.ts';
import type { Configuration } from '../../../plugins/configuration.ts';
import { type InstallOptions, installPlugin } from '../../../plugins/install/install.ts';
import { guest } from '../../core/wasm/guests.ts';
import { mesh } from '../in-process.ts';
import { type Outcome, mesh as program, Running, temporaryHome } from '../mesh.ts';
import { adding, calling, looping, packageFolder, packFolder, SCHEMA } from './packages.ts';

const { home, remove } = temporaryHome();
const work = join(home, 'work');
interface Flags {
  readonly allow?: readonly string[];
  readonly config?: Configuration;
}

const lockfile = join(work, 'mesh-plugins.lock');

const run = (...args: readonly string[]): Promise<Outcome> => mesh(['plugin', ...args], { home, cwd: work });

let api: Api;

async function plugin(name: string): Promise<(Resource & { spec: PluginSpec; revision: number }) | undefined> {
  const { items, revision } = await api.resources({ kind: 'Plugin', name });
  return items.length === 0 ? undefined : { ...items[0], spec: items[0].spec as PluginSpec, revision };
}

/** What the command does, in this process. */
async function install(spec: string, more: Partial<InstallOptions>): Promise<CliError> {
  try {
    await inSteps(() =>
      installPlugin(controlPlane(api), spec, {
        ...{ namespace: 'istio-system', lockfile, wait: true, timeout: 30_000, allow: [], wishes: {} },
        policy: { mode: 'off', sources: [] },
        folder: work,
        tell: () => null,
        agree: agreement(true),
        ...more,
      }),
    );
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error(`${spec} was installed`);
}

const locked = () => JSON.parse(readFileSync(lockfile, 'utf8')).plugins as Record<string, Record<string, unknown>>;

suite('mesh plugin install', { timeout: 200_000 }, () => {
  let up: Running;
  before(async () => {
    mkdirSync(work);
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    api = new Api(await readContext(home));
  });
  after(async () => {
    await up?.stop();
    remove();
  });

  test('a folder is installed with its manifest, in steps that are told, and stands in the lockfile', async () => {
    packageFolder(join(work, 'adder'), {
      schema: SCHEMA,
      plugin: { phase: 'AUTHZ', capabilities: ['change_headers', 'log'], defaultConfig: { header: 'x-a' } },
    });
    const { code, out, err } = await run('install', './adder', '--enable', '--yes', '--selector', 'app=reviews');
    assert.equal(code, 0, err);
    assert.equal(out, 'adder 1.0.0 installed, enabled\n');
    for (const step of ['resolve', 'check', 'allow', 'trial', 'store', 'apply', 'wait']) {
      assert.match(err, new RegExp(`^ {2}${step} `, 'm'));
    }
    const stored = await plugin('adder');
    const { digest, ...spec } = stored!.spec;
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(spec, {
      source: 'file:./adder',
      version: '1.0.0',
      enabled: true,
      selector: { matchLabels: { app: 'reviews' } },
      config: { header: 'x-a' },
      capabilities: ['change_headers'],
      phase: 'AUTHZ',
    });
    assert.deepEqual(locked(), {
      'istio-system/adder': {
        spec: './adder',
        source: 'file:./adder',
        version: '1.0.0',
        digest,
        size: adding().length,
        capabilities: ['change_headers'],
      },
    });
  });

  test('installing it again with other bytes keeps what its user has set', async () => {
    packageFolder(join(work, 'adder'), { version: '1.1.0', schema: SCHEMA, module: adding('other') });
    const { code, out, err } = await run('install', './adder', '--yes', '--json');
    assert.equal(code, 0, err);
    const { version, enabled, digest } = JSON.parse(out);
    assert.deepEqual([version, enabled], ['1.1.0', true]);
    const stored = await plugin('adder');
    assert.equal(stored?.spec.digest, digest);
    assert.deepEqual(stored?.spec.selector, { matchLabels: { app: 'reviews' } });
    assert.equal(locked()['istio-system/adder'].version, '1.1.0');
  });

  test('a tarball and a module alone are installed, too', async () => {
    writeFileSync(join(work, 'adder.tgz'), await packFolder(packageFolder(join(work, 'packed'))));
    writeFileSync(join(work, 'plain.wasm'), adding());
    assert.match((await run('install', 'adder.tgz', '--yes', '--name', 'packed')).out, /^packed 1\.0\.0 installed/);
    assert.match((await run('install', './plain.wasm', '--yes')).out, /^plain installed, not enabled/);
    assert.equal((await plugin('plain'))?.spec.enabled, false);
    assert.match(String(locked()['istio-system/packed'].integrity), /^sha512-/);
  });

  test('what a plugin wants beyond an ordinary filter needs --allow, which --yes does not stand for', async () => {
    packageFolder(join(work, 'caller'), {
      name: '@acme/caller',
      module: calling(),
      plugin: { capabilities: ['http_call'] },
    });
    for (const flags of [[], ['--yes'], ['--allow', 'shared_data']]) {
      const { code, err } = await run('install', './caller', ...flags);
      assert.equal(code, 3);
      assert.match(err, /^mesh: allow: acme-caller 1\.0\.0 wants http_call .*: agree with --allow http_call; n/m);
    }
    assert.equal((await run('install', './caller', '--allow', 'fly')).code, 2);
    const { code, err } = await run('install', './caller', '--allow', 'shared_data,http_call');
    assert.equal(code, 0, err);
    assert.deepEqual((await plugin('acme-caller'))?.spec.capabilities, ['http_call']);
    assert.equal((await run('install', './caller')).code, 0, 'it was agreed to');
  });

  suite('what cannot be installed leaves everything as it was', () => {
    const cases: Readonly<Record<string, readonly [number, RegExp, () => string | Promise<string>, Flags?]>> = {
      'a file that is no module': [
        3,
        /^check: the module cannot run: .*not a WebAssembly module/,
        () => file('text.wasm', 'hello'),
      ],
      'a module that was cut off': [
        3,
        /^check: the module cannot run: /,
        () => file('cut.wasm', adding().subarray(0, 90)),
      ],
      'a module of another ABI': [3, /^check: .*proxy_abi_version/, () => file('abi.wasm', guest({ abi: '9_9_9' }))],
      'a module of 300 MB': [3, /^check: .* has 300000000 bytes; at most 32 MiB/, () => huge('huge.wasm')],
      'a tarball of 300 MB': [3, /^check: .* has 300000000 bytes; at most 64 MiB/, () => huge('huge.tgz')],
      'a capability that the manifest does not declare': [
        3,
        /^check: its module can do what its manifest does not declare: http_call; n/,
        () => folder({ module: calling(), plugin: { capabilities: ['log'] } }),
        { allow: ['http_call'] },
      ],
      'a default configuration that does not fit the schema': [
        3,
        /^trial: the configuration does not fit its schema: config has no field "x"; config\.header must be string; n/,
        () => folder({ schema: SCHEMA, plugin: { defaultConfig: { header: 1, x: 2 } } }),
      ],
      'a given configuration that does not fit': [
        3,
        /^trial: .* config\.header is missing/,
        () => folder({ schema: SCHEMA, plugin: { defaultConfig: { header: 'a' } } }),
        { config: {} },
      ],
      'a schema that is none': [
        3,
        /^check: the schema of its configuration is none/,
        () => folder({ schema: { type: 'thing' } }),
      ],
      'a module that never ends configuring': [3, /^trial: .*fuel/, () => folder({ module: looping() })],
      'a tarball whose paths leave it': [3, /^check: .*"package\/\.\.\/\.\.\/evil", a path that leaves it/, escaping],
      'a tarball that is none': [3, /^check: .*no tarball/, () => file('no.tgz', 'hello')],
      'a package with an install script': [
        3,
        /^check: .*it has the install script "postinstall"/,
        () => folder({ more: { scripts: { postinstall: 'touch evil' } } }),
      ],
      'a package that is no plugin': [
        3,
        /^check: .*mesh\.plugin has no field "wasms"/,
        () => folder({ plugin: { wasms: 'x' } }),
      ],
      'a package that is not built': [
        3,
        /^check: .*there is no dist\/x\.wasm/,
        () => folder({ plugin: { wasm: 'dist/x.wasm' } }),
      ],
      'a path where nothing is': [1, /^resolve: \.\/nowhere does not exist; nothing was installed$/, () => './nowhere'],
      'a scheme that is unknown': [2, /^resolve: "ftp:\/\/x" has an unknown scheme/, () => 'ftp://x'],
      'an address without a digest': [2, /^resolve: .*#sha256=/, () => 'https://127.0.0.1/x.wasm'],
    };
    for (const [what, [exitCode, line, make, flags = {}]] of Object.entries(cases)) {
      test(what, async () => {
        const lockBefore = readFileSync(lockfile, 'utf8');
        const revision = (await plugin('adder'))!.revision;
        const error = await install(await make(), {
          name: 'bad',
          allow: flags.allow ?? [],
          wishes: { enabled: true, config: flags.config },
        });
        assert.match(error.message, line);
        assert.match(error.message, /^[^\n]*; nothing was installed$/);
        assert.equal(error.exitCode, exitCode);
        assert.equal((await plugin('adder'))!.revision, revision);
        assert.equal(readFileSync(lockfile, 'utf8'), lockBefore);
        assert.equal(existsSync(join(work, 'evil')), false);
        assert.deepEqual(
          readdirSync(work).filter((name) => name.endsWith('.new')),
          [],
        );
      });
    }

    function file(name: string, content: string | Uint8Array): string {
      writeFileSync(join(work, name), content);
      return join(work, name);
    }

    function huge(name: string): string {
      const path = file(name, adding());
      truncateSync(path, 300_000_000);
      return path;
    }

    let folders = 0;
    function folder(parts: Parameters<typeof packageFolder>[1]): string {
      folders++;
      packageFolder(join(work, `bad${folders}`), parts);
      return join(work, `bad${folders}`);
    }

    function escaping(): string {
      const body = Buffer.from('evil');
      const header = new Header({ path: 'package/../../evil', type: 'File', size: body.length, mode: 0o644 });
      const block = Buffer.alloc(512);
      header.encode(block);
      return file('evil.tgz', gzipSync(Buffer.concat([block, body, Buffer.alloc(508), Buffer.alloc(1024)])));
    }
  });

  test('a lockfile that is broken is told before anything changes', async () => {
    const broken = join(work, 'broken.lock');
    writeFileSync(broken, '{"lockfileVersion": 2}');
    const { code, err } = await run('install', './plain.wasm', '--yes', '--name', 'never', '--lockfile', broken);
    assert.equal(code, 3);
    assert.match(err, /^mesh: lock: .*broken\.lock has the version 2, not 1; nothing was installed$/m);
    assert.equal(await plugin('never'), undefined);
    assert.equal(readFileSync(broken, 'utf8'), '{"lockfileVersion": 2}');
  });

  test('many installations at the same time all stand, in the mesh and in the lockfile', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const install = (name: string) => ['plugin', 'install', './plain.wasm', '--yes', '--name', name];
    const outcomes = await Promise.all(names.map((name) => program(install(name), { home, cwd: work })));
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [0, 0, 0, 0],
      outcomes.map(({ err }) => err).join('\n'),
    );
    const stored = locked();
    for (const name of names) {
      assert.ok(stored[`istio-system/${name}`] !== undefined);
      assert.ok((await plugin(name)) !== undefined);
    }
  });

  test('without a mesh nothing is fetched, and it says so', async () => {
    const { code, err } = await mesh(['plugin', 'install', './adder'], { home: join(home, 'none'), cwd: work });
    assert.equal(code, 5);
    assert.match(err, /^mesh: no mesh is known here/m);
  });
});
