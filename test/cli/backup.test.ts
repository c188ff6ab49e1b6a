// A mesh that loses everything, and gets it back: from a backup, from what a proxy keeps, from the full state beside the log.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { Api } from '../../cli/api.ts';
import { readBackup } from '../../cli/backup-file.ts';
import { readContext } from '../../cli/context.ts';
import { denying } from '../plugins/wat.ts';
import { eventually } from '../until.ts';
import { webAuthority } from '../web-certificates.ts';
import { mesh } from './in-process.ts';
import { Running, temporaryHome } from './mesh.ts';

const first = temporaryHome();
const second = temporaryHome();
const { home } = first;
const FILE = join(home, 'proxies', 'shop.mesh');
const LOCKFILE = join(second.home, 'mesh-plugins.lock');
const env = { MESH_BACKUP_PASSPHRASE: 'correct horse battery' };
const RULES = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reviews, namespace: shop}
`;

suite('a mesh that lost everything', { timeout: 180_000 }, () => {
  let up: Running;
  after(async () => {
    await up?.stop();
    first.remove();
    second.remove();
  });
  const start = async (where: string): Promise<Running> => {
    const running = new Running(['up', '--port', '0'], { home: where });
    await running.ready;
    return running;
  };
  const ok = async (args: readonly string[], options: Parameters<typeof mesh>[1] = {}): Promise<string> => {
    const { code, out, err } = await mesh(args, { home, ...options });
    assert.equal(code, 0, out + err);
    return out + err;
  };
  /** As the control plane of a home tells it. */
  const whole = async (where: string): Promise<unknown> => {
    const { resources } = await new Api(await readContext(where)).backup();
    return resources.map((resource) => JSON.stringify(resource)).sort();
  };

  test('has the same configuration, modules, lockfile and secrets again from its backup, on another machine', async () => {
    up = await start(home);
    const api = new Api(await readContext(home));
    const module = denying();
    const { digestOf } = await import('../../bus/digest.ts');
    const digest = digestOf(module);
    await api.putModule(digest, module);
    const plugin = `---\napiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: deny}\nspec: {digest: "${digest}"}\n`;
    await ok(['apply', '-f', '-'], { input: RULES });
    // One that keeps it on its disk, for the next test.
    const proxy = new Running(['proxy', '--name', 'edge', '--admin', '127.0.0.1:0'], { home });
    await proxy.ready;
    await eventually(() => {
      const [folder] = readdirSync(join(home, 'proxies'));
      assert.match(readFileSync(join(home, 'proxies', folder, 'last-good.json'), 'utf8'), /a\.example\.com/);
    });
    await proxy.stop();
    await ok(['apply', '-f', '-'], { input: plugin });
    const pair = await (await webAuthority()).issue(['shop.test']);
    await api.keepSecret('istio-system', 'shop', { ...pair, serviceAccounts: ['edge'] });
    const { token } = await api.createAccess({ name: 'ci', role: 'viewer', ttlSeconds: 3_600 });
    await api.createAccess({ name: 'gone', role: 'admin', ttlSeconds: 3_600 });
    await api.revokeAccess('gone');
    const before = await whole(home);
    const sealed = (await api.backup()).secrets;
    const lock = '{"lockfileVersion": 1, "plugins": {}}\n';
    writeFileSync(join(home, 'my.lock'), lock);
    assert.match(
      await ok(['backup', FILE, '--lockfile', join(home, 'my.lock')], { env }),
      /revision 2, 3 resources, 1 modules, 1 of `mesh secret`, 2 of `mesh access`, the lockfile/,
    );
    assert.equal(statSync(FILE).mode & 0o777, 0o600);
    rmSync(join(home, 'my.lock'));
    const { secrets } = await readBackup(FILE);
    assert.ok(secrets !== null && !JSON.stringify(secrets).includes('signingKey'));
    await up.stop();

    const there = { home: second.home };
    const wrong = { ...there, env: { MESH_BACKUP_PASSPHRASE: 'incorrect horse' } };
    const refused = await mesh(['restore', FILE, '--secrets'], wrong);
    assert.equal(refused.code, 3);
    assert.match(refused.err, /another passphrase, or the file is damaged/);
    await ok(['restore', FILE, '--secrets'], { ...there, env });
    for (const name of ['token', join('nats', 'credentials.json')]) {
      assert.deepEqual(readFileSync(join(second.home, name)), readFileSync(join(home, name)), name);
    }
    up = await start(second.home);
    assert.match(
      await ok(['restore', FILE, '--lockfile', LOCKFILE], there),
      /tokens count again as at the time of the backup: ci, gone; revoke those/,
    );
    const restored = await readContext(second.home);
    await eventually(async () => assert.equal((await new Api({ ...restored, token }).whoami()).name, 'ci'));
    assert.deepEqual(
      (await new Api(restored).access()).map(({ name, state }) => [name, state]),
      [
        ['ci', 'valid'],
        ['gone', 'revoked'],
      ],
    );
    assert.deepEqual(await whole(second.home), before);
    // As it is sealed; what cannot be opened there does not come back.
    assert.deepEqual((await new Api(await readContext(second.home)).backup()).secrets, sealed);
    assert.deepEqual(await new Api(await readContext(second.home)).module(digest), Buffer.from(module));
    assert.equal(readFileSync(LOCKFILE, 'utf8'), lock);
    await up.stop();
    truncateSync(FILE, statSync(FILE).size - 10);
    const damaged = await mesh(['restore', FILE], { home });
    assert.match(damaged.err, /shop\.mesh is no backup, or damaged/);
  });

  test('is told by mesh up of what a proxy keeps, and takes it from there', async () => {
    rmSync(join(home, 'nats', 'data'), { recursive: true });
    up = await start(home);
    await up.says(/NATS no longer has revision 1, which .* keeps: .*`mesh restore` tells/);
    const told = await ok(['restore']);
    const folder = /revision 1, 2 resources, kept .*: mesh restore --from-proxy (\S+)/.exec(told)?.[1];
    assert.ok(folder !== undefined, told);
    await ok(['restore', '--from-proxy', folder]);
    const after = JSON.stringify(await whole(home));
    for (const name of ['a.example.com', 'reviews']) assert.ok(after.includes(name), name);
    // Again, from what NATS has by itself: after a restore there is a full state beside the log.
    await ok(['restore', '--from-manifest']);
    assert.equal(JSON.stringify(await whole(home)), after);
    assert.match(await ok(['history']), /restore from the manifest/);
  });
});
