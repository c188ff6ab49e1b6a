import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from '../../cli/output.ts';

test('a cell from elsewhere makes no row of its own', () => {
  const text = table(
    ['A', 'B'],
    [
      ['1', 'said\n2   forged'],
      ['3', 'x'],
    ],
  );
  assert.equal(text, 'A   B\n1   said\\n2   forged\n3   x');
});
