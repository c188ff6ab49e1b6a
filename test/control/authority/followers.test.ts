// Who has not followed a rotation is named with the reason: proxies here answer what each version of them does.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Trust } from '../../../bus/certificate-types.ts';
import type { Lease } from '../../../bus/types.ts';
import { type AuthorityFiles, makeIntermediateNext, openIssuer, openNext } from '../../../control/authority/files.ts';
import { Rotation, RotationRefused } from '../../../control/authority/rotation.ts';
import { fingerprintOf } from '../../../core/config/pem.ts';

type Secret = Readonly<Record<'name' | 'fingerprint' | 'root' | 'issuer', string>>;

describe('who has followed a rotation', () => {
  let files: AuthorityFiles;
  let root = '';
  let intermediate = '';
  let roots = '';
  before(async () => {
    files = { dir: join(await mkdtemp(join(tmpdir(), 'weft-followers-')), 'authority') };
    roots = (await openIssuer(files, Date.now())).root;
    root = fingerprintOf(roots);
    intermediate = await makeIntermediateNext(files, root, Date.now());
  });
  after(() => rm(join(files.dir, '..'), { recursive: true, force: true }));

  /** Of one proxy that has these, after the intermediate was rotated or before. */
  async function rotation(secrets: readonly Partial<Secret>[], rotated = true): Promise<Rotation> {
    const trust: Trust = { roots, signing: root, intermediate: rotated ? intermediate : '', revoked: {}, version: 2 };
    const issuer = await (rotated ? openNext(files, intermediate, Date.now()) : openIssuer(files, Date.now()));
    const lease = { from: { namespace: 'default', serviceAccount: 'a', node: 'a' } } as unknown as Lease;
    return new Rotation({
      authority: {
        open: async () => ({ issuer, trust }),
        trust: async () => trust,
        again: () => {},
        replaced: async () => {},
        lifeMs: 1,
      },
      files,
      bus: { retrust: () => Promise.reject(new Error('nothing is changed')) },
      questions: { ask: async () => ({ status: 200, headers: [], body: JSON.stringify({ secrets }) }) as never },
      leases: () => new Map([['sidecar~1~a.default~x', lease]]),
    });
  }
  const why = async (secrets: readonly Partial<Secret>[], rotated?: boolean): Promise<string | undefined> =>
    (await (await rotation(secrets, rotated)).report()).waiting[0]?.why;

  it('is told of each proxy', async () => {
    const believed = { name: 'ROOTCA', fingerprint: root };
    const own = { name: 'default', root };
    const other = 'b'.repeat(64);
    assert.equal(await why([{ ...own, issuer: intermediate }, believed]), undefined);
    assert.match((await why([{ ...own, issuer: other }, believed]))!, /^its certificate is not of the intermediate /);
    assert.equal(await why([{ name: 'default' }]), 'it has no certificate');
    assert.equal(await why([]), 'it has no certificate');
  });

  it('names a proxy of an earlier version as one, that says less of its certificate, and does not go on', async () => {
    const believed = { name: 'ROOTCA', fingerprint: root };
    const unknown = [{ name: 'default', root }, believed];
    const earlier = 'it is of an earlier version, which does not tell ';
    assert.equal(await why(unknown), `${earlier}which intermediate its certificate is of: update it`);
    assert.equal(await why(unknown, false), undefined, 'where nobody asks by which intermediate');
    const less = [{ name: 'default' }, believed];
    assert.equal(await why(less), `${earlier}below which root its certificate is: update it`);
    const advanced = (await rotation(unknown)).advanceIntermediate();
    await assert.rejects(advanced, (error: Error) => {
      assert.ok(error instanceof RotationRefused);
      assert.match(error.message, /^not every proxy has followed: a\.default \(it is of an earlier version, /);
      return true;
    });
  });
});
