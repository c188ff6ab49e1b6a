// Certificates are revoked against a bus that keeps what the mesh trusts as NATS does: a change counts when it is the next one.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Certificates, Trust } from '../../../bus/certificate-types.ts';
import { startAuthority } from '../../../control/authority/authority.ts';
import { NotRevoked, revokeCertificates } from '../../../control/authority/revoking.ts';
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

async function start() {
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
  const authority = await startAuthority({ bus, dir: join(dir, 'authority'), now });
  const signed = async (node: string) => {
    const { chain, revoked } = await sign(
      { namespace: 'default', serviceAccount: 'a', node },
      certificateRequest(newKey()),
    );
    return { serial: new X509Certificate(chain).serialNumber, revoked: new Map(Object.entries(revoked)) };
  };
  return { signed, revoke: (node: string) => revokeCertificates(node, { authority, bus, now }) };
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

test('more than proxies remember are refused in a sentence', async () => {
  const { signed, revoke } = await start();
  await signed('c');
  const many = Array.from({ length: 1_000 }, (_, i) => [nodeMark(String(i)), { since: 1, until: 4_000_000_000 }]);
  trust = { ...trust!, revoked: Object.fromEntries(many), version: 2 };
  await assert.rejects(revoke('a'), /^Error: 1000 proxies were revoked within a day, /);
  // One that is among them may be revoked again.
  await revoke('7');
});
