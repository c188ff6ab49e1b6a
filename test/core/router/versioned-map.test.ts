import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VersionedMap } from '../../../core/router/versioned-map.ts';

test('a version that was published never changes, whatever becomes of those after it', () => {
  const first = new VersionedMap<number>().edit();
  for (let i = 0; i < 2_000; i++) first.set(`host-${i}`, i);
  const one = first.done();
  const second = one.edit();
  second.set('host-7', -7);
  second.delete('host-8');
  second.delete('nobody');
  second.set('new', 1);
  assert.equal(second.get('host-7'), -7);
  const two = second.done();
  const third = two.edit();
  for (let i = 0; i < 2_000; i++) third.delete(`host-${i}`);
  const three = third.done();
  assert.deepEqual(
    [one, two, three].map((map) => ['host-6', 'host-7', 'host-8', 'new'].map((key) => map.get(key))),
    [
      [6, 7, 8, undefined],
      [6, -7, undefined, 1],
      [undefined, undefined, undefined, 1],
    ],
  );
  assert.deepEqual(
    [one, two, three].map((map) => [...map.values()].length),
    [2_000, 2_000, 1],
  );
});

test('one without anything in it has nothing', () => {
  assert.equal(new VersionedMap<number>().get('host'), undefined);
  assert.equal(new VersionedMap<number>().edit().done().get('host'), undefined);
});
