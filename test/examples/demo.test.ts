// What else `npm run demo` does, own-filter.test.ts tries on the one that it starts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { nobodyLeft, startDemo } from './running-demo.ts';

suite('npm run demo', { timeout: 220_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'mesh-demo-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  test('--check walks the tour, says what it saw at each stop, and leaves no process', async () => {
    const demo = startDemo(home, ['--check', '--limit', '180']);
    const [code] = await once(demo.child, 'exit');
    assert.equal(code, 0, demo.said());
    assert.equal(demo.said().match(/ ok +\d+\.\d s /g)?.length, 9, demo.said());
    assert.match(demo.said(), /requests during 12 changes, 0 failed/);
    await nobodyLeft(home);
  });

  test('interrupted half-way it stops what it had started', async () => {
    const demo = startDemo(home, []);
    await demo.until(/starting the gateway/);
    demo.child.kill('SIGTERM');
    await once(demo.child, 'exit');
    await nobodyLeft(home);
  });

  test('killed outright it takes everything along', async () => {
    const demo = startDemo(home, []);
    await demo.until(/starting the gateway/);
    demo.child.kill('SIGKILL');
    await once(demo.child, 'exit');
    await nobodyLeft(home);
  });
});
