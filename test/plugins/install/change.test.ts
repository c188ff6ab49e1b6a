import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import {
  configurePlugin,
  disablePlugin,
  enablePlugin,
  rollBackPlugin,
  uninstallPlugin,
} from '../../../plugins/install/change.ts';
import { installPlugin } from '../../../plugins/install/install.ts';
import { installedPlugin } from '../../../plugins/install/installed.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import { type Updated, type UpdateOptions, updatePlugin } from '../../../plugins/install/update.ts';
import { readLockfile } from '../../../plugins/lockfile.ts';
import { adding, packageFolder, SCHEMA } from '../../cli/plugin/packages.ts';
import { type InstallerMesh, NAMESPACE, startInstallerMesh } from './mesh.ts';

let at: InstallerMesh;
let spec: string;

const KEY = { namespace: NAMESPACE, name: 'adder' };
const present = (): Promise<PluginResource> => installedPlugin(at.mesh, KEY);
const revision = async (): Promise<number> => (await at.mesh.plugins({})).revision;

function publish(version: string): void {
  packageFolder(spec, {
    ...{ version, schema: SCHEMA, module: adding(version) },
    plugin: { defaultConfig: { header: 'x-a' } },
  });
}

async function update(more: Partial<UpdateOptions> = {}): Promise<Updated | null> {
  const locked = await readLockfile(at.lockfile);
  return updatePlugin(at.mesh, await present(), { ...at.options(), locked, dryRun: false, ...more });
}

suite('an installed plugin is changed by a program that is not the command line', { timeout: 180_000 }, () => {
  before(async () => {
    at = await startInstallerMesh();
    spec = join(at.folder, 'adder');
    publish('1.0.0');
    await installPlugin(at.mesh, spec, at.options());
  });
  after(() => at.stop());

  test('it is enabled where it is wanted, with what else was set left as it is, and disabled', async () => {
    const enabled = await enablePlugin(at.mesh, await present(), { selector: { app: 'reviews' } }, at.options());
    assert.deepEqual(enabled.rollout?.acked, 2);
    const { spec: on } = await present();
    assert.deepEqual([on.enabled, on.selector], [true, { matchLabels: { app: 'reviews' } }]);
    await disablePlugin(at.mesh, await present(), at.options());
    await enablePlugin(at.mesh, await present(), { phase: 'AUTHZ', config: undefined }, at.options());
    assert.deepEqual((await present()).spec, { ...on, phase: 'AUTHZ' });
  });

  test('it takes another configuration that fits its schema, and no other', async () => {
    await configurePlugin(at.mesh, await present(), { header: 'x-b', limits: { most: 3 } }, at.options());
    assert.deepEqual((await present()).spec.config, { header: 'x-b', limits: { most: 3 } });
    const before = await revision();
    const options = at.options();
    await assert.rejects(configurePlugin(at.mesh, await present(), { limits: {} }, options), {
      step: 'trial',
      fault: 'refused',
      message: 'the configuration does not fit its schema: config.header is missing',
    });
    assert.equal(await revision(), before);
  });

  test('it is updated to what its spec stands for now, keeps its settings, and is rolled back without a package', async () => {
    assert.equal((await update())?.outcome, 'same');
    publish('1.1.0');
    const before = await at.everything('adder');
    assert.deepEqual(await update({ dryRun: true }), { spec, from: '1.0.0', to: '1.1.0', outcome: 'newer' });
    assert.deepEqual(await at.everything('adder'), before);
    assert.deepEqual(await update(), { spec, from: '1.0.0', to: '1.1.0', outcome: 'updated' });
    const { spec: updated } = await present();
    assert.deepEqual([updated.version, updated.enabled, updated.phase], ['1.1.0', true, 'AUTHZ']);
    assert.deepEqual(updated.config, { header: 'x-b', limits: { most: 3 } });
    assert.equal((await readLockfile(at.lockfile))[`${NAMESPACE}/adder`].version, '1.1.0');

    const back = await rollBackPlugin(at.mesh, await present(), undefined, at.options());
    assert.deepEqual([back.to, (await present()).spec], ['1.0.0', before[0]?.spec]);
    const locked = (await readLockfile(at.lockfile))[`${NAMESPACE}/adder`];
    assert.deepEqual([locked.spec, locked.version, locked.size], [spec, '1.0.0', adding('1.0.0').length]);
    await rollBackPlugin(at.mesh, await present(), updated.digest.slice(7, 17), at.options());
    assert.equal((await present()).spec.version, '1.1.0');
    const none = rollBackPlugin(at.mesh, await present(), '9.9.9', at.options());
    await assert.rejects(none, { fault: 'missing', message: 'adder was not 9.9.9 in any revision that is kept' });
  });

  test('a change that a proxy refuses is taken back, whichever it is', async () => {
    const before = await at.everything('adder');
    const now = await present();
    const changes: Readonly<Record<string, () => Promise<unknown>>> = {
      disable: () => disablePlugin(at.mesh, now, at.options()),
      configure: () => configurePlugin(at.mesh, now, { header: 'x-c' }, at.options()),
      'roll back': () => rollBackPlugin(at.mesh, now, '1.0.0', at.options()),
      uninstall: () => uninstallPlugin(at.mesh, now, at.options()),
    };
    at.answers.set('p1', 'refuses');
    for (const [what, change] of Object.entries(changes)) {
      await assert.rejects(change(), {
        step: 'wait',
        fault: 'refused',
        message: 'p1 refused it; everything is as it was before',
      });
      assert.deepEqual(await at.everything('adder'), before, what);
    }
    at.answers.clear();
  });

  test('a change that was made from an older state changes nothing', async () => {
    const old = await present();
    await configurePlugin(at.mesh, old, { header: 'x-d' }, at.options());
    const lock = readFileSync(at.lockfile, 'utf8');
    const before = await revision();
    await assert.rejects(uninstallPlugin(at.mesh, old, at.options()), {
      step: 'apply',
      fault: 'conflict',
      message: 'somebody else changed the plugin adder meanwhile: nothing was changed',
    });
    assert.deepEqual([await revision(), readFileSync(at.lockfile, 'utf8')], [before, lock]);
  });

  test('it is uninstalled from the mesh and from the lockfile', async () => {
    const gone = await uninstallPlugin(at.mesh, await present(), at.options());
    assert.deepEqual([gone.after, gone.rollout?.acked], [null, 2]);
    assert.deepEqual((await at.everything('adder'))[0], undefined);
    assert.deepEqual(await readLockfile(at.lockfile), {});
    await assert.rejects(present(), {
      fault: 'missing',
      message: 'no plugin istio-system/adder is installed; there is none',
    });
  });
});
