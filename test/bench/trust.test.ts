import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../bench/trust/run.ts', import.meta.url));

test('the benchmark of identities refuses what it cannot run, and says how it is asked', () => {
  const { status, stderr } = spawnSync(process.execPath, [command, '--connections', 'many'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /--connections is a whole number from 1 to 10000\nnode bench\/trust\/run\.ts/);
});
