// A moment of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/sniff.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './sniff.ts';

test('first bytes are told apart, however they are cut', () => {
  for (const seed of [1, 2, 3]) {
    const { 'http/1.1': http, h2, tls, bytes } = fuzz(seed, 1_000);
    assert.ok(http > 50 && h2 > 20 && tls > 50 && bytes > 50);
  }
});
