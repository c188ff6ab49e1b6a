import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timer, type TimerOwner, Timers } from '../../core/timers.ts';

class Probe implements TimerOwner {
  readonly timer = new Timer(this);
  fired = 0;
  onExpired: (() => void) | null = null;
  expired(): void {
    this.fired++;
    this.onExpired?.();
  }
}

function wheel(): { timers: Timers; at(ms: number): void } {
  let now = 0;
  const timers = new Timers(10, () => now);
  return {
    timers,
    at(ms) {
      now = ms;
      timers.advance();
    },
  };
}

test('a timer expires once, not before its time and at most two ticks after', () => {
  const { timers, at } = wheel();
  const probe = new Probe();
  timers.arm(probe.timer, 100);
  at(99);
  assert.equal(probe.fired, 0);
  at(120);
  assert.equal(probe.fired, 1);
  at(10_000);
  assert.equal(probe.fired, 1);
  timers.stop();
});

test('a cancelled timer never expires and a moved one expires at its new time', () => {
  const { timers, at } = wheel();
  const cancelled = new Probe();
  const moved = new Probe();
  timers.arm(cancelled.timer, 50);
  timers.arm(moved.timer, 50);
  timers.cancel(cancelled.timer);
  timers.arm(moved.timer, 500);
  at(300);
  assert.deepEqual([cancelled.fired, moved.fired], [0, 0]);
  at(530);
  assert.deepEqual([cancelled.fired, moved.fired], [0, 1]);
  timers.stop();
});

test('a timer longer than a turn of the wheel waits for its own turn', () => {
  const { timers, at } = wheel();
  const probe = new Probe();
  timers.arm(probe.timer, 60_000);
  at(59_000);
  assert.equal(probe.fired, 0);
  at(60_030);
  assert.equal(probe.fired, 1);
  timers.stop();
});

test('what expires may cancel its neighbour in the same slot and arm itself again', () => {
  const { timers, at } = wheel();
  const first = new Probe();
  const second = new Probe();
  timers.arm(first.timer, 50);
  timers.arm(second.timer, 50);
  const firedFirst: Probe[] = [];
  for (const [probe, other] of [
    [first, second],
    [second, first],
  ] as const) {
    probe.onExpired = () => {
      firedFirst.push(probe);
      timers.cancel(other.timer);
      if (probe.fired === 1) timers.arm(probe.timer, 50);
    };
  }
  at(75);
  assert.equal(firedFirst.length, 1);
  at(150);
  assert.equal(firedFirst[0].fired, 2);
  timers.stop();
});

test('a timer that was silenced does not expire, and armed again it expires at its new time', () => {
  const { timers, at } = wheel();
  const silent = new Probe();
  const later = new Probe();
  const sooner = new Probe();
  for (const probe of [silent, later, sooner]) {
    timers.arm(probe.timer, 100);
    timers.silence(probe.timer);
  }
  timers.arm(later.timer, 400);
  timers.arm(sooner.timer, 50);
  at(75);
  assert.deepEqual([silent.fired, later.fired, sooner.fired], [0, 0, 1]);
  at(399);
  assert.deepEqual([silent.fired, later.fired], [0, 0]);
  at(430);
  assert.deepEqual([silent.fired, later.fired, sooner.fired], [0, 1, 1]);
  timers.stop();
});

test('the wheel lets go of what was silenced when it comes by', () => {
  const { timers, at } = wheel();
  const probe = new Probe();
  timers.arm(probe.timer, 100);
  timers.silence(probe.timer);
  assert.notEqual(probe.timer.looked, 0);
  at(130);
  assert.equal(probe.timer.looked, 0);
  timers.stop();
});
