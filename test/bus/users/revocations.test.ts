import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { openBus } from '../../../bus/connect.ts';
import { openLink } from '../../../bus/dial.ts';
import type { Link } from '../../../bus/link.ts';
import { PROXY_INFO_PREFIX } from '../../../bus/subjects.ts';
import { publicKey } from '../../../bus/users/accounts.ts';
import { ProxyLogin } from '../../../bus/users/login.ts';
import { joinRevocations, revocationsIn } from '../../../bus/users/revocations.ts';
import { until } from '../../until.ts';
import { type Mesh, startMesh } from '../harness.ts';

suite('a revocation', () => {
  test('stands from the first moment of a nats-server that is started again, with no control plane', async (t) => {
    const { mesh, issue, enters } = await meshWithUsers(t);
    const control = await mesh.open('control');
    const [stolen, other] = [await issue('p1'), await issue('p2')];
    assert.equal(await enters(stolen), true);
    assert.equal(await control.users!.revoke('p1'), 1);
    assert.equal((await stat(join(mesh.stateDir, 'nats.conf'))).mode & 0o777, 0o600);
    await control.close();
    for (let start = 0; start < 2; start++) {
      await mesh.kill();
      await mesh.start();
      assert.deepEqual([await enters(stolen), await enters(other)], [false, true]);
    }
  });

  test('stands also once what NATS had stored of it is lost, beside those that are made later', async (t) => {
    const { mesh, issue, enters } = await meshWithUsers(t);
    const control = await mesh.open('control');
    const [first, second] = [await issue('p1'), await issue('p2')];
    await control.users!.revoke('p1');
    await mesh.crash();
    await until('the control plane has made the streams again', () => answers(control.config));
    assert.equal(await enters(first), false);
    await issue('p2', second.seed);
    await until('the other is out, too', async () => (await control.users!.revoke('p2').catch(() => 0)) === 1);
    assert.deepEqual([await enters(first), await enters(second)], [false, false]);
  });

  test('that a control plane elsewhere made is kept by the one that looks after nats-server', async (t) => {
    const { mesh, issue, enters } = await meshWithUsers(t);
    await mesh.open('control');
    const { server, stateDir } = mesh;
    const elsewhere = await openBus({
      ...{ servers: [server.url], name: 'elsewhere', role: 'control' },
      ...server.credentials.control,
    });
    const stolen = await issue('p1');
    await elsewhere.users!.revoke('p1');
    await elsewhere.close();
    const account = publicKey(server.credentials.control.keys.proxies);
    const kept = async () => Object.keys(revocationsIn(await readFile(join(stateDir, 'nats.conf'), 'utf8'), account));
    await until('it is kept', async () => (await kept()).includes(publicKey(stolen.seed)));
    await mesh.kill();
    await mesh.start();
    assert.equal(await enters(stolen), false);
  });

  test('puts out also one that was put out before and was made a user again', async (t) => {
    const { mesh, issue, enters } = await meshWithUsers(t);
    const control = await mesh.open('control');
    const first = await issue('p1');
    await control.users!.revoke('p1');
    assert.equal(await enters(first), false);
    // A second is as fine as NATS tells what was issued before from what was issued after.
    await until('it is let in anew', async () => enters(await issue('p1', first.seed)));
    const second = await issue('p1', first.seed);
    assert.equal(await enters(second), true);
    await control.users!.revoke('p1');
    assert.deepEqual([await enters(first), await enters(second)], [false, false]);
  });

  test('that was not told to the end is told by the next attempt', async (t) => {
    const { mesh, issue, enters } = await meshWithUsers(t);
    let fail = true;
    const control = await mesh.open('control', {
      keepOut: (revoked) => (fail ? Promise.reject(new Error('the disk is full')) : mesh.server.keepOut(revoked)),
    });
    const stolen = await issue('p1');
    await assert.rejects(control.users!.revoke('p1'), /the configuration of NATS cannot be written: the disk is full/);
    assert.equal(await enters(stolen), false, 'the server that runs knows of it');
    fail = false;
    assert.equal(await control.users!.revoke('p1'), 1);
    await mesh.kill();
    await mesh.start();
    assert.equal(await enters(stolen), false);
  });

  test('costs a nats-server whose configuration was damaged nothing but itself', async (t) => {
    const { mesh } = await meshWithUsers(t);
    await mesh.kill();
    await writeFile(join(mesh.stateDir, 'nats.conf'), '{ "resolver_preload": ');
    await mesh.start();
    await mesh.open('control');
  });
});

test('revocations are joined to the later second of each, without those that are older than any JWT', () => {
  const now = 1_000_000;
  const joined = joinRevocations({ a: now - 10, b: now - 5, old: now - 200_000 }, { a: now, c: now - 1 }, now);
  assert.deepEqual(joined, { a: now, b: now - 5, c: now - 1 });
});

interface Known {
  readonly node: string;
  readonly seed: string;
  readonly jwt: string;
}

async function meshWithUsers(t: TestContext) {
  const mesh: Mesh = await startMesh();
  t.after(() => mesh.stop());
  const issue = async (node: string, known?: string): Promise<Known> => {
    const control = await mesh.open('control', { keepOut: undefined });
    const { identity, seed: made } = mesh.user(node);
    const seed = known ?? made;
    const jwt = await control.users!.issue(identity, publicKey(seed));
    await control.close();
    return { node, seed, jwt };
  };
  /** Whether it is let in with the JWT that it has. */
  const enters = async ({ node, seed, jwt }: Known): Promise<boolean> => {
    const login = new ProxyLogin({ ...mesh.user(node), seed, jwt, enrol: () => Promise.reject(new Error('no')) });
    const servers = [mesh.server.url];
    const inboxPrefix = `_INBOX.default.default.${node}`;
    const link: Link | null = await openLink({
      ...{ servers, login, name: node, inboxPrefix, infoPrefix: PROXY_INFO_PREFIX, waitMs: 5_000 },
    }).catch(() => null);
    await link?.close();
    return link !== null;
  };
  return { mesh, issue, enters };
}

function answers(log: { load(): Promise<unknown> }): Promise<boolean> {
  return log.load().then(
    () => true,
    () => false,
  );
}
