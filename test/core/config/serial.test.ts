import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRevoked, nodeMark, serialOf } from '../../../core/config/serial.ts';

const hex = (node: string, era: number): string => serialOf(node, era).toString('hex').toUpperCase();

test('a number says whose certificate it is and of which era, and is another one each time', () => {
  const one = hex('a', 7);
  assert.match(one, /^[4-7][0-9A-F]{31}$/);
  assert.equal(one.slice(2, 16), nodeMark('a'));
  assert.equal(one.slice(16, 24), '00000007');
  assert.notEqual(one, hex('a', 7));
});

test('certificates of before are refused, those of since count, and so do those of others', () => {
  const revoked = new Map([[nodeMark('a'), 1_800_000_000]]);
  for (const era of [0, 1_799_999_999]) assert.equal(isRevoked(hex('a', era), revoked), true, String(era));
  for (const era of [1_800_000_000, 1_800_000_001]) assert.equal(isRevoked(hex('a', era), revoked), false, String(era));
  assert.equal(isRevoked(hex('b', 0), revoked), false);
  assert.equal(isRevoked(hex('a', 0), new Map()), false);
});

test('numbers that another authority gave are nobody that was revoked', () => {
  const revoked = new Map([[nodeMark('a'), 1_800_000_000]]);
  for (const serial of ['', '01', 'F'.repeat(40), '0'.repeat(32)]) assert.equal(isRevoked(serial, revoked), false);
});
