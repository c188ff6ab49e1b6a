import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { Watchdog } from '../../../core/threads/watchdog.ts';

suite('the watchdog of shards', () => {
  test('reports a shard whose heart stands still for longer than the threshold, and no other', (t) => {
    const { watchdog, beat, found } = made(t);
    for (let now = 100; now <= 1_000; now += 100) {
      beat(1);
      watchdog.look(now);
    }
    assert.deepEqual(found, []);
    beat(1);
    watchdog.look(1_100);
    assert.deepEqual(found, [0]);
  });

  test('blames nobody for a main thread or a machine that stood still itself', (t) => {
    const { watchdog, beat, found } = made(t);
    watchdog.look(100);
    watchdog.look(3_600_100);
    watchdog.look(3_600_200);
    assert.deepEqual(found, []);
    beat(0);
    watchdog.look(3_600_300);
    watchdog.look(7_200_000);
    assert.deepEqual(found, []);
  });

  test('gives a shard that is only starting more time, and one that is gone none', (t) => {
    const { watchdog, found } = made(t);
    watchdog.begin(0);
    watchdog.end(1);
    for (let now = 100; now <= 59_900; now += 100) watchdog.look(now);
    assert.deepEqual(found, []);
    for (let now = 60_000; now <= 60_200; now += 100) watchdog.look(now);
    assert.deepEqual(new Set(found), new Set([0]));
  });
});

/** Two shards that are up, looked at every 100 ms, stuck after 1000 ms. */
function made(t: TestContext) {
  const found: number[] = [];
  const watchdog = new Watchdog(2, 1_000, (index) => found.push(index), 0);
  t.after(() => watchdog.stop());
  // Its own interval is not waited for.
  watchdog.stop();
  const counters = new Int32Array(watchdog.beats);
  for (const index of [0, 1]) {
    watchdog.begin(index);
    watchdog.started(index);
  }
  return { watchdog, found, beat: (index: number) => Atomics.add(counters, index, 1) };
}
