// A few seconds of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/http1.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './http1.ts';

for (const seed of [1, 2]) {
  test(`bytes mean the same in whatever pieces they come (seed ${seed})`, async () => {
    assert.ok((await fuzz(seed, 1500)) > 100);
  });
}
