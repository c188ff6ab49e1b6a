import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { resolveVersion } from '../../../plugins/source/npm.ts';
import { readNpmOptions } from '../../../plugins/source/npmrc.ts';
import { StepFailed } from '../../../plugins/step.ts';

const folder = mkdtempSync(join(tmpdir(), 'mesh-npm-'));
const servers: Server[] = [];
after(() => {
  rmSync(folder, { recursive: true, force: true });
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const ENV = { NPM_CONFIG_USERCONFIG: join(folder, 'none') };
const SOURCE = { from: 'npm', name: 'mesh-plugin-jwt', range: '1.0.0', bare: null } as const;

async function registry(answer: (end: () => void) => void): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const server = createServer((request) => {
    asked++;
    answer(() => request.destroy());
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked: () => asked };
}

for (const [what, answer] of [
  ['does not answer', () => undefined],
  ['hangs up', (end: () => void) => end()],
] as const) {
  test(`a registry that ${what} is one line, after it was asked twice more`, async () => {
    const warnings: string[] = [];
    const warned = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', warned);
    const { url, asked } = await registry(answer);
    const rc = `registry=${url}\nfetch-timeout=200\nfetch-retries=2\nfetch-retry-mintimeout=1\n`;
    writeFileSync(join(folder, '.npmrc'), `${rc}cache=${join(folder, 'cache')}\n`);
    await assert.rejects(resolveVersion(SOURCE, await readNpmOptions(folder, ENV)), (error) => {
      assert.ok(error instanceof StepFailed);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    process.off('warning', warned);
    assert.ok(asked() > 2);
    assert.deepEqual(warnings, []);
  });
}

test('a time that is no number is one line, and nobody is asked', async () => {
  writeFileSync(join(folder, '.npmrc'), 'fetch-timeout=soon\n');
  await assert.rejects(readNpmOptions(folder, ENV), /fetch-timeout of \.npmrc is no number: "soon"/);
});
