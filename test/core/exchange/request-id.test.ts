import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRequestId } from '../../../core/exchange/identify.ts';

test('request ids are version 4 UUIDs, and no two of thousands are the same', () => {
  const ids = Array.from({ length: 5000 }, newRequestId);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, ids.length);
});

test('every digit that is not fixed by the version takes every value', () => {
  const ids = Array.from({ length: 2000 }, newRequestId);
  for (let at = 0; at < 36; at++) {
    const seen = new Set(ids.map((id) => id[at])).size;
    const expected = [8, 13, 18, 23, 14].includes(at) ? 1 : at === 19 ? 4 : 16;
    assert.equal(seen, expected, `position ${at}`);
  }
});
