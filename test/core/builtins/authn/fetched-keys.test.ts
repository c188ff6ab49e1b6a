import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchedKeys } from '../../../../core/builtins/authn/fetched-keys.ts';
import { jwks } from '../../../filters/tokens.ts';

const SOURCE = 'https://issuer.example/keys';

test('keys that come again unchanged are the same set, so that what was verified stays verified', () => {
  const keys = new FetchedKeys(() => undefined);
  assert.equal(keys.current(SOURCE), null);
  keys.learn(SOURCE, jwks(['rsa']));
  const first = keys.current(SOURCE);
  keys.learn(SOURCE, jwks(['rsa']));
  assert.equal(keys.current(SOURCE), first);
  keys.learn(SOURCE, jwks(['p256']));
  assert.notEqual(keys.current(SOURCE), first);
  keys.learn(SOURCE, null);
  assert.equal(keys.current(SOURCE), null);
});

test('a key that is missing is asked for once, until keys have come', () => {
  const asked: string[] = [];
  const keys = new FetchedKeys((source) => asked.push(source));
  for (let i = 0; i < 1000; i++) keys.missing(SOURCE);
  assert.deepEqual(asked, [SOURCE]);
  keys.learn(SOURCE, jwks(['rsa']));
  keys.missing(SOURCE);
  assert.deepEqual(asked, [SOURCE, SOURCE]);
});
