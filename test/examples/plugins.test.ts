import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { buildProject } from '../../cli/plugin/build.ts';
import { openProject } from '../../cli/plugin/project.ts';
import { checkDeclared } from '../../plugins/allow.ts';
import { mesh, ROOT, Running, temporaryHome } from '../cli/mesh.ts';

const PLUGINS = join(ROOT, 'examples', 'plugins');
/** What whoever installs them has to agree to. */
const ALLOW: Readonly<Record<string, readonly string[]>> = { 'redact-body': ['--allow', 'read_bodies,change_bodies'] };

const { home, remove } = temporaryHome();

suite('the example plugins', { timeout: 200_000 }, () => {
  let up: Running;
  before(async () => {
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
  });
  after(async () => {
    await up?.stop();
    remove();
  });

  for (const name of readdirSync(PLUGINS)) {
    test(`${name} builds, does what its fixtures say, no more than its manifest declares, and is installed by its path`, async () => {
      const folder = join('examples', 'plugins', name);
      const { description, bytes } = await buildProject(await openProject(join(PLUGINS, name)), 'release');
      const capabilities = description.capabilities.map((capability) => capability.name);
      const manifest = JSON.parse(readFileSync(join(PLUGINS, name, 'package.json'), 'utf8')).mesh.plugin;
      const declared = capabilities.map((capability) => ({ name: capability, does: '' }));
      checkDeclared(declared, manifest.capabilities);
      assert.deepEqual([...capabilities].sort(), [...manifest.capabilities].sort());
      assert.ok(bytes.length < 20_000, `${bytes.length} bytes`);
      const tested = await mesh(['plugin', 'test', folder, '--json'], { cwd: ROOT });
      assert.equal(tested.code, 0, tested.out);
      const { passed, coverage } = JSON.parse(tested.out) as { passed: number; coverage: Record<string, number> };
      assert.ok(passed >= 5);
      assert.deepEqual(
        Object.keys(coverage).filter((callback) => coverage[callback] === 0),
        [],
      );
      const lockfile = join(home, 'mesh-plugins.lock');
      const args = [
        'plugin',
        'install',
        `./${folder}`,
        '--enable',
        '--yes',
        '--lockfile',
        lockfile,
        ...(ALLOW[name] ?? []),
      ];
      const installed = await mesh(args, { home, cwd: ROOT });
      assert.equal(installed.code, 0, installed.err);
      assert.match(installed.out, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ installed, enabled$`, 'm'));
      assert.ok(JSON.parse(readFileSync(lockfile, 'utf8')).plugins[`istio-system/${name}`] !== undefined);
    });
  }
});
