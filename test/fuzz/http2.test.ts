// A few seconds of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/http2.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareFields, fuzz } from './http2.ts';

for (const seed of [1, 2]) {
  test(`frames mean the same in whatever pieces they come (seed ${seed})`, () => {
    assert.ok(fuzz(seed, 700) >= 50);
  });
}

test('fields are to Node’s codec what they are to ours, from it and to it', async (t) => {
  await compareFields(t, 3, 300);
});
