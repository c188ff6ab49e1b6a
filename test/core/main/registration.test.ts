import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registration } from '../../../core/main/registration.ts';

function registration(offered = false) {
  const told: boolean[] = [];
  const source = {
    register: async () => void told.push(true),
    unregister: async () => void told.push(false),
  };
  return { told, of: new Registration(offered, () => source) };
}

test('what its starter says does not undo what was asked of admin, nor the other way round', async () => {
  const { told, of } = registration();
  await of.offer(true);
  await of.fail(true);
  await of.offer(false);
  await of.offer(true);
  await of.fail(false);
  await of.offer(false);
  await of.fail(true);
  await of.fail(false);
  assert.deepEqual(told, [true, false, false, false, true, false, false, false]);
});

test('an end is for good', async () => {
  const { told, of } = registration(true);
  assert.equal(of.stands, true);
  await of.end();
  await of.offer(true);
  await of.fail(false);
  assert.deepEqual([told, of.stands], [[false, false, false], false]);
});

test('what is said before there is a source is what the source begins with', async () => {
  const of = new Registration(false, () => null);
  assert.equal(of.stands, false);
  await of.offer(true);
  assert.equal(of.stands, true);
  await of.fail(true);
  assert.equal(of.stands, false);
});
