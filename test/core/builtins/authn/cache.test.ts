import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenCache } from '../../../../core/builtins/authn/cache.ts';

test('what was kept is found by the same bytes, and by no others', () => {
  const cache = new TokenCache<string>();
  const key = Buffer.from('a.b.signature');
  cache.set(key, 'known');
  key.fill(0x78);
  assert.equal(cache.get(Buffer.from('a.b.signature')), 'known');
  for (const other of ['a.c.signature', 'a.b.signaturf', 'A.b.signature', 'signature', '', 'ature']) {
    assert.equal(cache.get(Buffer.from(other)), undefined, other);
  }
});

test('of two that end alike the later one is kept, and neither is taken for the other', () => {
  const cache = new TokenCache<number>();
  const [one, two] = [Buffer.from('one.longsignature'), Buffer.from('two.longsignature')];
  cache.set(one, 1);
  cache.set(two, 2);
  assert.equal(cache.get(one), undefined);
  assert.equal(cache.get(two), 2);
  cache.delete(one);
  assert.equal(cache.get(two), 2);
  cache.delete(two);
  assert.equal(cache.get(two), undefined);
});

test('it holds a bounded number, and those that are asked for again', () => {
  const cache = new TokenCache<number>();
  const key = (i: number): Buffer => Buffer.from(`token-${i}-${Math.imul(i, 2654435761) >>> 0}`);
  cache.set(key(0), 0);
  for (let i = 1; i < 20_000; i++) {
    cache.set(key(i), i);
    assert.equal(cache.get(key(0)), 0);
  }
  assert.ok(cache.size <= 2048, String(cache.size));
  assert.equal(cache.get(key(1)), undefined);
  assert.equal(cache.get(key(19_999)), 19_999);
});

test('it holds a bounded number of bytes', () => {
  const cache = new TokenCache<number>();
  for (let i = 0; i < 1000; i++) cache.set(Buffer.from(`${'x'.repeat(16_000)}${i}-${i * 7919}`), i);
  assert.ok(cache.size <= 132, String(cache.size));
});
