// Secrets where they lie: what was sealed is opened as it was, or not at all.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Link } from '../../bus/link.ts';
import type { Seal } from '../../bus/log/commit-format.ts';
import type { AboutSecret, Sealed } from '../../bus/secret-types.ts';
import { NatsSecrets } from '../../bus/secrets.ts';

const DATA = { cert: 'a certificate', key: 'its key', ca: '', crl: '' };

const ABOUT: AboutSecret = {
  ...{ type: 'tls', changedAt: '', changedBy: '', identity: '', notAfter: null },
  serviceAccounts: [],
};

/** Nothing is sent in sealing. */
function keeper(signingKey: string): NatsSecrets {
  return new NatsSecrets({} as Link, { seal: {} as Seal, signingKey }, () => undefined);
}

test('a sealed secret is opened by the same key, under its own name, and whole', () => {
  const secrets = keeper(randomBytes(32).toString('base64'));
  const of = { namespace: 'default', name: 'edge', about: ABOUT };
  const sealed = secrets.seal(of, DATA);
  const opened = (change: Partial<Sealed> = {}, name = 'edge', by = secrets) =>
    by.open({ ...of, name, sealed: { ...sealed, ...change } });
  assert.deepEqual(opened(), DATA);
  assert.equal(opened({}, 'other'), null);
  assert.equal(opened({}, 'edge', keeper(randomBytes(32).toString('base64'))), null);
  assert.equal(opened({ data: Buffer.from(DATA.key).toString('base64') }), null);
  const guessed = Buffer.from(sealed.tag, 'base64').subarray(0, 4).toString('base64');
  assert.equal(opened({ tag: guessed }), null);
});
