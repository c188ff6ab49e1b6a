import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { NKey } from '../../bus/users/nkey.ts';
import { busUser } from '../../cli/bus-user.ts';

const CONTEXT = { api: 'http://127.0.0.1:9', token: 'x', bus: { servers: [], verifyKey: 'the mesh' } };
const NODE = { id: 'web-1', namespace: 'shop', serviceAccount: 'web', services: ['web'] } as unknown as Parameters<
  typeof busUser
>[1];

suite('the NATS user of a proxy that is started here', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bus-user-'));
  const file = join(folder, 'user.json');
  after(() => rmSync(folder, { recursive: true }));

  test('is kept for the owner of the folder alone, and is the same at the next start', () => {
    const first = busUser(CONTEXT, NODE, folder);
    first.keep('its token');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const second = busUser(CONTEXT, NODE, folder);
    assert.deepEqual([second.seed, second.jwt], [first.seed, 'its token']);
    assert.deepEqual(second.identity, { namespace: 'shop', serviceAccount: 'web', node: 'web-1' });
  });

  test('counts for what it was let in to serve, and asks for something else anew, with the same key', () => {
    const first = busUser(CONTEXT, { ...NODE, services: ['api'] }, folder);
    first.keep('its token');
    const again = (services: readonly string[]) => busUser(CONTEXT, { ...NODE, services }, folder);
    assert.deepEqual([again(['api']).jwt, again(['api']).seed], ['its token', first.seed]);
    assert.deepEqual([again(['bank']).jwt, again(['bank']).seed], ['', first.seed]);
  });

  const kept = (): Record<string, unknown> => JSON.parse(readFileSync(file, 'utf8'));
  const seed = NKey.generate('user').seed;
  const damaged: Record<string, () => string> = {
    'of another mesh': () => JSON.stringify({ ...kept(), mesh: 'another', seed }),
    'of another proxy, whose place this one has now': () => JSON.stringify({ ...kept(), node: 'web-0', seed }),
    'with half a key': () => JSON.stringify({ ...kept(), seed: seed.slice(0, 30) }),
    'with no key': () => JSON.stringify({ ...kept(), seed: 7 }),
    'that ends early': () => JSON.stringify({ ...kept(), seed }).slice(0, -4),
  };
  for (const [what, text] of Object.entries(damaged)) {
    test(`one ${what} is none: another is made, which has to enrol`, () => {
      busUser(CONTEXT, NODE, folder).keep('its token');
      writeFileSync(file, text());
      const user = busUser(CONTEXT, NODE, folder);
      assert.equal(user.jwt, '');
      assert.notEqual(user.seed, seed);
      assert.match(new NKey(user.seed).publicKey, /^U/);
    });
  }

  test('that is not let in ends who waits for it, and one that is only not answered does not', async () => {
    let status = 503;
    const server = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'the token is for the services api, not web' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const user = busUser({ ...CONTEXT, api: `http://127.0.0.1:${port}` }, NODE, folder);
    const key = new NKey(user.seed).publicKey;
    const first = (): Promise<unknown> => Promise.race([user.refused, Promise.resolve('waits')]);
    await assert.rejects(user.enrol(key), { exitCode: 5 });
    assert.equal(await first(), 'waits');
    status = 403;
    await assert.rejects(user.enrol(key), { exitCode: 1 });
    await assert.rejects(first(), {
      exitCode: 1,
      message: 'the control plane does not let this proxy in: the token is for the services api, not web',
    });
    server.close();
  });
});
