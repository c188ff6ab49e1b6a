import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encodeUser } from '@nats-io/jwt';
import { proxyPermissions, subjectToken } from '../../../bus/subjects.ts';
import { makeBusKeys, proxyUser } from '../../../bus/users/accounts.ts';
import { NKey } from '../../../bus/users/nkey.ts';

test("a proxy's user is written as NATS's own library writes it, and signed by the account of the proxies", async () => {
  const keys = makeBusKeys();
  const { publicKey } = NKey.generate('user');
  const identity = { namespace: 'shop', serviceAccount: 'ä pi', node: 'sidecar~127.0.0.1~api-1.shop~x' };
  const expires = 2_000_000_000;
  // It throws for a signature that is wrong.
  const { jti, iat, ...own } = decode(proxyUser(keys, publicKey, identity, expires));
  const { publish, subscribe } = proxyPermissions(identity);
  const claims = { subs: 32, data: -1, payload: 160 * 1024, pub: { allow: publish }, sub: { allow: subscribe } };
  const name = subjectToken(identity.node);
  const theirs = decode(await encodeUser(name, publicKey, new NKey(keys.proxies), claims, { exp: expires }));
  assert.deepEqual(own, withoutTimes(theirs));
  assert.ok(typeof jti === 'string' && jti.length > 20);
  assert.ok(Math.abs(iat - Date.now() / 1_000) < 60);
});

function withoutTimes({ jti: _jti, iat: _iat, ...claims }: ReturnType<typeof decode>): object {
  return claims;
}
