import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { digestOf } from '../../../bus/digest.ts';
import type { ControlPlane } from '../../../plugins/install/control-plane.ts';
import { installPlugin } from '../../../plugins/install/install.ts';
import { installedPlugin } from '../../../plugins/install/installed.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import { readLockfile } from '../../../plugins/lockfile.ts';
import { CommitFailed, type Fault, PluginError, type Step, StepFailed } from '../../../plugins/step.ts';
import { adding, calling, looping, packageFolder, SCHEMA } from '../../cli/plugin/packages.ts';
import { type InstallerMesh, NAMESPACE, startInstallerMesh } from './mesh.ts';

let at: InstallerMesh;

const present = (name = 'adder'): Promise<PluginResource> => installedPlugin(at.mesh, { namespace: NAMESPACE, name });

/** What `work` rejects with. */
async function failure(work: Promise<unknown>): Promise<PluginError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof PluginError) return error;
  throw error ?? new Error('it did not fail');
}

/** A package in the folder of the test, as it is now. */
function adder(version: string, parts: Parameters<typeof packageFolder>[1] = {}): string {
  return packageFolder(join(at.folder, 'adder'), {
    ...{ version, schema: SCHEMA, module: adding(version) },
    plugin: { defaultConfig: { header: 'x-a' } },
    ...parts,
  });
}

suite('a plugin is installed by a program that is not the command line', { timeout: 180_000 }, () => {
  before(async () => {
    at = await startInstallerMesh();
  });
  after(() => at.stop());

  test('in steps that it is told, until every proxy runs it', async () => {
    const installed = await installPlugin(at.mesh, adder('1.0.0'), at.options({ wishes: { enabled: true } }));
    assert.deepEqual(
      at.told.map(([step]) => step),
      ['resolve', 'check', 'allow', 'trial', 'store', 'apply', 'wait'],
    );
    assert.match(at.told.at(-1)![1], /^2\/2 proxies, p50 /);
    assert.deepEqual([installed.before, installed.rollout?.acked, installed.warnings], [null, 2, []]);
    const { spec } = await present();
    assert.deepEqual([spec.version, spec.enabled, spec.config], ['1.0.0', true, { header: 'x-a' }]);
    assert.deepEqual(Buffer.from((await at.mesh.module(spec.digest))!), Buffer.from(adding('1.0.0')));
    assert.deepEqual((await readLockfile(at.lockfile))[`${NAMESPACE}/adder`].digest, spec.digest);
  });

  test('with a question about what it can do beyond an ordinary filter, and never again about the same', async () => {
    const folder = packageFolder(join(at.folder, 'caller'), { name: 'mesh-plugin-caller', module: calling() });
    const asked: unknown[] = [];
    const ask = (answer: string | null) =>
      at.options({
        async agree(plugin, open) {
          asked.push([plugin, open.map(({ name }) => name)]);
          return answer;
        },
      });
    const before = await at.everything('caller');
    const refused = await failure(installPlugin(at.mesh, folder, ask('not on a Friday')));
    assert.deepEqual([refused.message, (refused as StepFailed).step], ['not on a Friday', 'allow']);
    assert.deepEqual(await at.everything('caller'), before);
    await installPlugin(at.mesh, folder, ask(null));
    await installPlugin(at.mesh, folder, ask(null));
    assert.deepEqual(asked, [
      ['caller 1.0.0', ['http_call']],
      ['caller 1.0.0', ['http_call']],
      ['caller 1.0.0', []],
    ]);
  });

  test('without a lockfile when it keeps none, and without waiting when it has no time', async () => {
    const before = readFileSync(at.lockfile, 'utf8');
    const folder = packageFolder(join(at.folder, 'loose'), { name: 'mesh-plugin-loose' });
    at.answers.set('p2', 'is silent');
    const installed = await installPlugin(at.mesh, folder, at.options({ lockfile: null, wait: false }));
    at.answers.clear();
    assert.deepEqual([installed.rollout, installed.plugin.metadata.name], [null, 'loose']);
    assert.equal((await present('loose')).spec.version, '1.0.0');
    assert.equal(readFileSync(at.lockfile, 'utf8'), before);
  });

  suite('whichever step fails, the mesh and the lockfile are as they were', () => {
    /** How an update of the installed plugin to 2.0.0 is made to fail. */
    interface Case {
      readonly step: Step;
      readonly fault: Fault;
      readonly message: RegExp;
      readonly parts?: Parameters<typeof packageFolder>[1];
      readonly options?: Parameters<InstallerMesh['options']>[0];
      /** In place of the control plane. */
      mesh?(real: ControlPlane): ControlPlane;
      readonly answer?: 'refuses' | 'is silent';
      /** The module was there before the failure; it goes when no revision needs it. */
      readonly stored?: boolean;
    }
    const broken = (): string => {
      writeFileSync(join(at.folder, 'broken.lock'), '{}');
      return join(at.folder, 'broken.lock');
    };
    const cases: Readonly<Record<string, () => Case>> = {
      'a module that is none': () => ({
        ...{ step: 'check', fault: 'refused', message: /the module cannot run/ },
        parts: { module: Buffer.from('hello') },
      }),
      'a configuration that its schema refuses': () => ({
        ...{ step: 'trial', fault: 'refused', message: /config\.header is missing/ },
        options: { wishes: { config: {} } },
      }),
      'a module that never ends configuring': () => ({
        ...{ step: 'trial', fault: 'refused', message: /fuel/ },
        parts: { module: looping() },
      }),
      'a broken lockfile': () => ({
        ...{ step: 'lock', fault: 'refused', message: /broken\.lock has the version/ },
        ...{ options: { lockfile: broken() }, stored: true },
      }),
      'a control plane that refuses the resource': () => ({
        ...{ step: 'apply', fault: 'refused', message: /./ },
        ...{ options: { wishes: { priority: 2 ** 40 } }, stored: true },
      }),
      'somebody who changes it meanwhile': () => ({
        ...{ step: 'apply', fault: 'conflict', message: /somebody else changed the plugin adder meanwhile/ },
        stored: true,
        mesh: (real) => {
          let reads = 0;
          return {
            ...real,
            async plugins(which) {
              const found = await real.plugins(which);
              const items = found.items.map((item) => ({ ...item, spec: { ...item.spec, priority: 7 } }));
              return ++reads === 2 ? { ...found, items } : found;
            },
          };
        },
      }),
      'a proxy that refuses it': () => ({
        ...{ step: 'wait', fault: 'refused', message: /^p2 refused it; everything is as it was before$/ },
        ...{ answer: 'refuses', stored: true },
      }),
      'a proxy that does not answer in time': () => ({
        ...{ step: 'wait', fault: 'timeout', message: /^p2 did not answer; everything is as it was before$/ },
        ...{ answer: 'is silent', options: { timeout: 300 }, stored: true },
      }),
    };
    for (const [what, make] of Object.entries(cases)) {
      test(what, async () => {
        const { step, fault, message, parts, options, mesh, answer, stored = false } = make();
        adder('2.0.0', { module: adding(what), ...parts });
        const [plugin, lock, modules] = await at.everything('adder');
        if (answer !== undefined) at.answers.set('p2', answer);
        const error = await failure(
          installPlugin(mesh?.(at.mesh) ?? at.mesh, join(at.folder, 'adder'), at.options(options)),
        );
        at.answers.clear();
        assert.ok(error instanceof StepFailed, String(error));
        assert.deepEqual([error.step, error.fault], [step, fault], error.message);
        assert.match(error.message, message);
        assert.equal(error instanceof CommitFailed, step === 'apply' || step === 'wait');
        assert.deepEqual(await at.everything('adder'), [plugin, lock, modules + (stored ? 1 : 0)]);
      });
    }

    test('a proxy’s reasons are told with it', async () => {
      at.answers.set('p1', 'refuses');
      const error = await failure(installPlugin(at.mesh, adder('2.0.0'), at.options()));
      at.answers.clear();
      assert.deepEqual(
        error.problems.map((problem) => problem.message),
        ['it does not start here'],
      );
    });

    test('an installation that fails leaves no plugin where there was none', async () => {
      const folder = packageFolder(join(at.folder, 'fresh'), { name: 'mesh-plugin-fresh' });
      at.answers.set('p1', 'refuses');
      const error = await failure(installPlugin(at.mesh, folder, at.options()));
      at.answers.clear();
      assert.match(error.message, /everything is as it was before$/);
      assert.deepEqual((await at.everything('fresh'))[0], undefined);
      assert.equal((await readLockfile(at.lockfile))[`${NAMESPACE}/fresh`], undefined);
    });

    test('what somebody else has made of it since is left', async () => {
      const before = readFileSync(at.lockfile, 'utf8');
      const { digest, bytes } = { digest: digestOf(adding('theirs')), bytes: adding('theirs') };
      await at.mesh.putModule(digest, bytes);
      const overtaken: ControlPlane = {
        ...at.mesh,
        async settled() {
          const { revision: parent, items } = await at.mesh.plugins({ namespace: NAMESPACE, name: 'adder' });
          const plugin = { ...items[0], spec: { ...items[0].spec, digest } };
          await at.mesh.write({ key: items[0].metadata, plugin, parent, message: 'theirs' });
          throw new PluginError('timeout', 'p1 did not answer');
        },
      };
      const error = await failure(installPlugin(overtaken, adder('2.0.0'), at.options()));
      assert.match(error.message, /^p1 did not answer; somebody else has changed it since, which was left as it is$/);
      assert.equal((await present()).spec.digest, digest);
      assert.equal(readFileSync(at.lockfile, 'utf8'), before);
    });
  });
});
