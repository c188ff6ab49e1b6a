import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILTINS } from '../../../core/builtins/builtins.ts';
import { ORDER } from '../../../core/builtins/order.ts';

test('each built-in is listed once, and can do what the list says of it', () => {
  const names = ORDER.map(({ name }) => name);
  assert.deepEqual([...names].sort(), Object.keys(BUILTINS).sort());
  for (const { name, chains, insertable = false } of ORDER) {
    assert.equal(BUILTINS[name].standing !== undefined, chains.length > 0, `${name} stands in chains`);
    assert.equal(BUILTINS[name].inserted !== undefined, insertable, `${name} is inserted`);
  }
});
