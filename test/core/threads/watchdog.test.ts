import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { Pulse } from '../../../core/threads/pulse.ts';
import { Watchdog } from '../../../core/threads/watchdog.ts';

suite('the watchdog of threads', () => {
  test('reports a thread whose heart stands still for longer than the threshold, and no other', (t) => {
    const { watchdog, pulses, found } = made(t);
    for (let now = 100; now <= 1_000; now += 100) {
      pulses[1].beat();
      watchdog.look(now);
    }
    assert.deepEqual(found, []);
    pulses[1].beat();
    watchdog.look(1_100);
    assert.deepEqual(found, ['0 1100 0']);
  });

  test('blames nobody for a main thread or a machine that stood still itself', (t) => {
    const { watchdog, pulses, found } = made(t);
    watchdog.look(100);
    watchdog.look(3_600_100);
    watchdog.look(3_600_200);
    assert.deepEqual(found, []);
    pulses[0].beat();
    watchdog.look(3_600_300);
    watchdog.look(7_200_000);
    assert.deepEqual(found, []);
  });

  test('gives a thread that is only starting more time, and one that is gone none', (t) => {
    const { watchdog, found } = made(t);
    watchdog.begin(0);
    watchdog.end(1);
    for (let now = 100; now <= 59_900; now += 100) watchdog.look(now);
    assert.deepEqual(found, []);
    for (let now = 60_000; now <= 60_200; now += 100) watchdog.look(now);
    assert.deepEqual(new Set(found.map((line) => line[0])), new Set(['0']));
  });

  test('counts time against a thread at work only while it looks, and not at all while it rests', (t) => {
    const { watchdog, pulses, found } = made(t, { silentMs: 5_000, workingMs: 100 });
    pulses[1].begin(7);
    watchdog.look(10);
    // The machine slept.
    watchdog.look(10_000);
    assert.deepEqual(found, []);
    for (let now = 10_010; now <= 10_080; now += 10) watchdog.look(now);
    assert.deepEqual(found, []);
    watchdog.look(10_090);
    assert.deepEqual(found, ['1 105 7']);
    pulses[1].end();
    for (let now = 10_100; now <= 14_000; now += 10) watchdog.look(now);
    assert.deepEqual(found, ['1 105 7']);
  });

  test('takes a new thread in the place of one that was killed at work for one that rests', (t) => {
    const { watchdog, pulses, found } = made(t, { silentMs: 5_000, workingMs: 100 });
    pulses[0].begin(7);
    watchdog.end(0);
    new Pulse(watchdog.memory, 0);
    watchdog.begin(0);
    watchdog.started(0);
    for (let now = 10; now <= 1_000; now += 10) watchdog.look(now);
    assert.deepEqual(found, []);
  });
});

/** Two threads that are up, looked at every tenth of what work may take, stuck after 1000 ms. */
function made(t: TestContext, limits = { silentMs: 1_000, workingMs: 1_000 }) {
  const found: string[] = [];
  const watchdog = new Watchdog(2, limits, (index, ms, work) => found.push(`${index} ${ms} ${work}`), 0);
  t.after(() => watchdog.stop());
  for (const index of [0, 1]) {
    watchdog.begin(index);
    watchdog.started(index);
  }
  // Its own interval is not waited for.
  watchdog.stop();
  return { watchdog, found, pulses: [0, 1].map((index) => new Pulse(watchdog.memory, index)) };
}
