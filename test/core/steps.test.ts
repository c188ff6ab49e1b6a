import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atOnce, inSlices, type Steps } from '../../core/steps.ts';

function* counting(steps: number, each: () => void): Steps<string> {
  for (let i = 0; i < steps; i++) {
    each();
    yield;
  }
  return 'done';
}

/** Longer than a slice. */
function busy(): void {
  const end = performance.now() + 3;
  while (performance.now() < end);
}

test('work in slices lets others work in between, and comes to the same', async () => {
  let others = 0;
  const other = setInterval(() => others++, 0);
  assert.equal(await inSlices(counting(20, busy), () => false), 'done');
  clearInterval(other);
  assert.ok(others > 0);
  assert.equal(atOnce(counting(20, () => {})), 'done');
});

test('what is short is done in the turn in which it is asked for', () => {
  let steps = 0;
  void inSlices(
    counting(3, () => steps++),
    () => false,
  );
  assert.equal(steps, 3);
});

test('work that is stopped ends between two slices', async () => {
  let steps = 0;
  const work = counting(1_000, () => {
    steps++;
    busy();
  });
  assert.equal(await inSlices(work, () => steps > 3), null);
  assert.ok(steps < 10, `${steps}`);
});

test('what a step throws rejects', async () => {
  const work = counting(3, () => assert.fail('broken'));
  await assert.rejects(
    inSlices(work, () => false),
    /broken/,
  );
});
