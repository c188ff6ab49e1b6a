import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBusKeys, proxyUser } from '../../../bus/users/accounts.ts';
import { ProxyLogin } from '../../../bus/users/login.ts';
import { NKey } from '../../../bus/users/nkey.ts';

test('a kept user counts for as long as it lives and may do all that a proxy does; else another is asked for', async () => {
  const keys = makeBusKeys();
  const { seed, publicKey } = NKey.generate('user');
  const identity = { namespace: 'default', serviceAccount: 'web', node: 'web-1' };
  const soon = Math.floor(Date.now() / 1_000) + 3_600;
  const valid = (jwt: string): boolean =>
    new ProxyLogin({ identity, seed, jwt, keep: () => {}, enrol: async () => jwt }).valid;
  const jwt = proxyUser(keys, publicKey, identity, soon);
  assert.equal(valid(jwt), true);
  assert.equal(valid(proxyUser(keys, publicKey, identity, soon - 7_200)), false);
  // As one of an earlier version: it may say less.
  const [head, claims, signature] = jwt.split('.');
  const text = Buffer.from(claims, 'base64url').toString();
  const fewer = text.replace('"weft.alive.default.web.web-1",', '');
  assert.notEqual(fewer, text);
  assert.equal(valid([head, Buffer.from(fewer).toString('base64url'), signature].join('.')), false);
  assert.equal(valid(proxyUser(keys, publicKey, { ...identity, node: 'web-2' }, soon)), false);
});
