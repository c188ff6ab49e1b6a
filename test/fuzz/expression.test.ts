// A second of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/expression.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz, isExpression } from './expression.ts';

test('whatever the text, there is a program or a fault with its place', () => {
  for (const seed of [1, 2, 3]) assert.ok(fuzz(seed, 5000) > 50);
});

test('a text as long and as deep as may be is refused or run in no time', () => {
  assert.ok(!isExpression('('.repeat(2048)));
  assert.ok(!isExpression('!'.repeat(2048)));
  assert.ok(!isExpression('-'.repeat(511)));
  assert.ok(isExpression(`true${' && true'.repeat(250)}`));
  assert.ok(isExpression(`1${' + 1'.repeat(250)} == 251`));
  assert.ok(!isExpression('true ? true : '.repeat(100)));
});
