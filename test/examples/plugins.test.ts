// That they are installed by their paths, and do on a mesh what they are for, own-filter.test.ts tries on its Bookinfo.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { buildProject } from '../../cli/plugin/build.ts';
import { openProject } from '../../cli/plugin/project.ts';
import { checkDeclared } from '../../plugins/allow.ts';
import { mesh } from '../cli/in-process.ts';
import { ROOT } from '../cli/mesh.ts';

const PLUGINS = join(ROOT, 'examples', 'plugins');

suite('the example plugins', { timeout: 200_000 }, () => {
  for (const name of readdirSync(PLUGINS)) {
    test(`${name} builds, does what its fixtures say, and no more than its manifest declares`, async () => {
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
    });
  }
});
