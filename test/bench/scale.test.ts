import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../bench/scale/run.ts', import.meta.url));

test('the benchmark of scale refuses what it cannot run, and says how it is asked', () => {
  const { status, stderr } = spawnSync(process.execPath, [command, '--proxies', '300,many'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /--proxies are whole numbers from 1 to 16000\nnpm run bench:scale/);
});
