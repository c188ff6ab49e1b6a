import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { ownAddress } from '../../cli/loopback.ts';

const MODULE = new URL('../../cli/loopback.ts', import.meta.url).href;

suite('own loopback addresses', { skip: process.platform !== 'linux' }, () => {
  test('instances that start together get one each, before any of them listens', async () => {
    const addresses = new Set<string>();
    for (let instance = 0; instance < 8; instance++) addresses.add(await ownAddress('together/details-v1', [15000]));
    assert.equal(addresses.size, 8, [...addresses].join(' '));
  });

  test('what an ended process had is there again', async () => {
    const address = await ownedByAnother('again/details-v1');
    assert.equal(await ownAddress('again/details-v1', [15000]), address);
  });

  test('an address where another program listens on one of the ports is passed over', async (t) => {
    const taken = await ownedByAnother('taken/details-v1');
    const server = createServer();
    await new Promise<void>((listening) => server.listen({ host: taken, port: 15000 }, listening));
    t.after(() => server.close());
    assert.notEqual(await ownAddress('taken/details-v1', [15001, 15000]), taken);
  });
});

/** What a process that has ended since was given. */
async function ownedByAnother(identity: string): Promise<string> {
  const program = `import { ownAddress } from '${MODULE}'; console.log(await ownAddress('${identity}', [15000]));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return stdout.trim();
}
