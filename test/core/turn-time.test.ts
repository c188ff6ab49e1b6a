// One time for all that a callback of a socket does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sinceTurn, turnTime } from '../../core/timers.ts';
import { enter, leave } from '../../core/transport/outbox.ts';

/** Until the clock has moved on. */
function wait(): void {
  const since = performance.now();
  while (performance.now() === since);
}

test('the time stands while a callback of a socket runs, is another in the next one, and runs outside of them', () => {
  enter();
  const first = turnTime();
  wait();
  enter();
  assert.equal(turnTime(), first);
  leave();
  assert.equal(turnTime(), first);
  leave();
  const outside = turnTime();
  assert.ok(outside > first);
  wait();
  assert.ok(turnTime() > outside);
  enter();
  assert.ok(turnTime() > outside);
  leave();
});

test('what one callback begins and ends has taken the time that it took', () => {
  enter();
  const started = turnTime();
  wait();
  assert.ok(sinceTurn(started) > 0);
  leave();
  const before = performance.now() - 1000;
  assert.ok(sinceTurn(before) >= 1000);
});
