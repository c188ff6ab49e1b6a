// Certificates are revoked against a bus that keeps what the mesh trusts as NATS does: a change counts when it is the next one.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Certificates, Trust } from '../../../bus/certificate-types.ts';
import { type AuthorityOptions, startAuthority } from '../../../control/authority/authority.ts';
import { NotRevoked, revoking } from '../../../control/authority/revoking.ts';
import { isRevoked, nodeMark } from '../../../core/config/serial.ts';
import { certificateRequest, newKey } from '../../../core/main/certificate-request.ts';

const HOUR = 3_600_000;
let dir = '';
let clock = Date.UTC(2027, 0, 1);
let trust: Trust | null = null;
/** Called before each change: others may be faster. */
let before = (): void => {};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-revoking-'));
  trust = null;
  before = () => {};
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function start(options: Partial<AuthorityOptions> = {}) {
  let sign: Parameters<Certificates['answer']>[0] = () => Promise.reject(new Error('nobody answers'));
  const bus: Certificates = {
    request: () => Promise.reject(new Error('nobody asks')),
    answer(given) {
      sign = given;
    },
    async trusted(own) {
      trust ??= { ...own, version: 1 };
      return trust;
    },
    async retrust(next) {
      before();
      if (next.version !== trust!.version) return false;
      trust = { ...next, version: next.version + 1 };
      return true;
    },
    onTrust: () => {},
  };
  const now = (): number => clock;
  const authority = await startAuthority({ bus, dir: join(dir, 'authority'), now, ...options });
  const signed = async (node: string) => {
    const { chain, revoked } = await sign(
      { namespace: 'default', serviceAccount: 'a', node },
      certificateRequest(newKey()),
    );
    return { serial: new X509Certificate(chain).serialNumber, revoked: new Map(Object.entries(revoked)) };
  };
  return { signed, revoke: revoking({ authority, bus, now }) };
}

test('what a node has is refused by whoever is told, what others have is not', async () => {
  const { signed, revoke } = await start();
  const [stolen, other] = [await signed('a'), await signed('b')];
  await revoke('a');
  const { revoked } = await signed('c');
  assert.deepEqual([isRevoked(stolen.serial, revoked), isRevoked(other.serial, revoked)], [true, false]);
});

test('a node of its name gets none at once, since it may have asked before, and then one that counts', async () => {
  const { signed, revoke } = await start();
  await signed('b');
  clock += 2 * HOUR;
  await revoke('a');
  await assert.rejects(signed('a'), /^Error: it was revoked a moment ago$/);
  clock += 10_000;
  const first = await signed('a');
  assert.equal(isRevoked(first.serial, first.revoked), false);
  // Until it is revoked, too, also by a clock that is behind.
  clock -= HOUR;
  await revoke('a');
  clock += 2 * HOUR;
  const second = await signed('a');
  assert.deepEqual(
    [first, second].map(({ serial }) => isRevoked(serial, second.revoked)),
    [true, false],
  );
});

test('it is told of until its certificates have ended, by any clock of the mesh', async () => {
  const { signed, revoke } = await start();
  await revoke('a');
  clock += 24 * HOUR;
  await revoke('b');
  assert.deepEqual([...(await signed('c')).revoked.keys()].sort(), [nodeMark('a'), nodeMark('b')].sort());
  clock += HOUR;
  await revoke('d');
  assert.deepEqual([...(await signed('c')).revoked.keys()].sort(), [nodeMark('b'), nodeMark('d')].sort());
});

test('what others do to the trust meanwhile stays, and who is never first is told', async () => {
  const { signed, revoke } = await start();
  await signed('c');
  let faster = 1;
  before = () => {
    if (faster-- > 0) {
      trust = { ...trust!, revoked: { other: { since: 1, until: 4_000_000_000 } }, version: trust!.version + 1 };
    }
  };
  await revoke('a');
  assert.deepEqual(Object.keys(trust!.revoked).sort(), [nodeMark('a'), 'other'].sort());
  faster = Number.POSITIVE_INFINITY;
  await assert.rejects(revoke('b'), NotRevoked);
});

test('as many as are revoked at once through a control plane are', async () => {
  const { signed, revoke } = await start();
  await signed('c');
  const nodes = Array.from({ length: 20 }, (_, i) => `node-${i}`);
  await Promise.all(nodes.map(revoke));
  assert.deepEqual(Object.keys(trust!.revoked).sort(), nodes.map(nodeMark).sort());
  // One that fails is in nobody's way.
  let fails = true;
  before = () => {
    if (fails) throw new Error('NATS is away');
  };
  const failed = revoke('a');
  const next = failed.catch(() => {
    fails = false;
  });
  const second = next.then(() => revoke('b'));
  await assert.rejects(failed, /NATS is away/);
  await second;
  assert.ok(nodeMark('b') in trust!.revoked);
});

test('so are those that are revoked through several control planes at once, whoever is first how often', async () => {
  const planes = [await start(), await start()];
  await planes[0].signed('c');
  // The others are first as often as somebody who is unlucky ten times.
  let faster = 10;
  before = () => {
    if (faster-- > 0) trust = { ...trust!, version: trust!.version + 1 };
  };
  const nodes = Array.from({ length: 20 }, (_, i) => `node-${i}`);
  await Promise.all(nodes.map((node, i) => planes[i % 2].revoke(node)));
  assert.deepEqual(Object.keys(trust!.revoked).sort(), nodes.map(nodeMark).sort());
});

test('a control plane that cannot sign says so, and revokes', async () => {
  const { signed } = await start();
  await signed('c');
  const missing = 'a'.repeat(64);
  for (const fields of [{ intermediate: missing }, { signing: missing }]) {
    const log: string[] = [];
    trust = { ...trust!, signing: '', intermediate: '', ...fields, revoked: {}, version: trust!.version + 1 };
    const other = await start({ onLog: (line) => log.push(line) });
    const why = `${join(dir, 'authority', missing)} is missing: certificates are signed by what another control plane made; copy that folder from there`;
    assert.deepEqual(log, [`${why}: workloads get no certificates from this control plane`]);
    await assert.rejects(other.signed('b'), { message: why });
    await other.revoke('a');
    assert.deepEqual(Object.keys(trust.revoked), [nodeMark('a')]);
    const { signing, intermediate } = trust;
    assert.deepEqual({ signing, intermediate }, { signing: '', intermediate: '', ...fields });
  }
});

test('it is kept on disk at once', async () => {
  const { signed, revoke } = await start();
  await signed('c');
  await revoke('a');
  const kept = JSON.parse(await readFile(join(dir, 'authority', 'trust.json'), 'utf8')) as Trust;
  assert.deepEqual(kept.revoked, trust!.revoked);
  assert.deepEqual(Object.keys(kept.revoked), [nodeMark('a')]);
});

test('more than proxies remember are refused in a sentence', async () => {
  const { signed, revoke } = await start();
  await signed('c');
  const many = Array.from({ length: 1_000 }, (_, i) => [nodeMark(String(i)), { since: 1, until: 4_000_000_000 }]);
  trust = { ...trust!, revoked: Object.fromEntries(many), version: 2 };
  await assert.rejects(revoke('a'), /^Error: 1000 proxies were revoked within a day, /);
  // One that is among them may be revoked again.
  await revoke('7');
});
