import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRig, Visit } from './rig.ts';

const DEADLINE_MS = 300;

test('threads serve before anybody asks for them, once they were started', async (t) => {
  const own = startRig({ threads: 2 });
  t.after(() => own.stop());
  await own.filterThreads.start();
  assert.equal(own.filterThreads.running, 2);
  await own.filterThreads.start();
  assert.deepEqual([own.filterThreads.running, own.filterThreads.restarts], [2, 0]);
  // The very threads that shards are then connected to.
  const visit = new Visit([own.plugin()], { 'x-do': 'reply' }).begin();
  await visit.leaves('answer 418');
  visit.end();
  assert.deepEqual([own.filterThreads.running, own.filterThreads.restarts], [2, 0]);
});

test('a loop costs the requests on its thread, by their strategy, and nobody else', async () => {
  const rig = startRig({ threads: 2, deadlineMs: DEADLINE_MS });
  const closed = rig.plugin({ name: 'closed' });
  const open = rig.plugin({ name: 'open', failStrategy: 'FAIL_OPEN' });
  const reload = rig.plugin({ name: 'reload', failStrategy: 'FAIL_RELOAD' });
  // Streams are spread: of each pair one is on either thread.
  const pair = (filter: typeof closed, what: string) => [0, 1].map(() => new Visit([filter], { 'x-do': what }));
  const visits = [...pair(closed, 'redact'), ...pair(open, 'redact'), ...pair(reload, 'redact')];
  for (const visit of visits) {
    visit.enter();
    await visit.leaves('head');
  }
  const looping = new Visit([closed], { 'x-do': 'loop' }).begin();
  assert.equal(await looping.leaves('reply'), 'reply 503 filter_failed');
  // What is sent to the dead and to the living.
  for (const visit of visits) visit.send('7', true);
  const ends = await Promise.all(visits.map((visit) => visit.leaves(['reply', 'body'])));
  const byStrategy = [ends.slice(0, 2), ends.slice(2, 4), ends.slice(4)].map((lines) => lines.toSorted());
  assert.deepEqual(byStrategy, [
    ['body # end', 'reply 503 filter_failed'],
    ['body # end', 'body 7 end'],
    ['body # end', 'reply 503 filter_failed'],
  ]);
  for (const visit of [...visits, looping]) visit.end();
  await rig.says('plugin closed has been at one thing for');
  assert.deepEqual(rig.restarts, ['closed deadline']);
  // Both threads serve again.
  const after = pair(closed, 'redact').map((visit) => visit.begin('1'));
  for (const visit of after) assert.equal(await visit.body(), '#');
  for (const visit of after) visit.end();
  assert.equal(rig.filterThreads.running, 2);
  await rig.stop();
});

test('a loop in a body’s callback loses no byte of a request whose filter may be left out', async () => {
  const rig = startRig({ deadlineMs: DEADLINE_MS });
  const open = rig.plugin({ failStrategy: 'FAIL_OPEN' });
  const visit = new Visit([open], { 'x-do': 'loop body' }).begin('abc', 'def');
  assert.equal(await visit.body(), 'abcdef');
  visit.end();
  const answered = new Visit([open]).begin();
  await answered.leaves('head');
  answered.answer({ 'x-do': 'loop' }, 'all of it');
  assert.equal(await answered.answerBody(), 'all of it');
  answered.end();
  await rig.stop();
});

test('the shard goes on while a filter loops', async () => {
  const rig = startRig({ deadlineMs: DEADLINE_MS });
  const filter = rig.plugin();
  const warm = new Visit([filter]).begin();
  await warm.leaves('head');
  warm.end();
  let longest = 0;
  let last = performance.now();
  const pulse = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  const visit = new Visit([filter], { 'x-do': 'loop' }).begin();
  const began = performance.now();
  await visit.leaves('reply');
  assert.ok(longest < performance.now() - began, 'turns of the event loop passed meanwhile');
  clearInterval(pulse);
  visit.end();
  await rig.stop();
});

test('a plugin that loops again and again is barred for a while, and others go on', async () => {
  const rig = startRig({ deadlineMs: 100 });
  const looping = rig.plugin({ name: 'looping' });
  const other = rig.plugin({ name: 'other', vmId: 'other' });
  for (let i = 0; i < 5; i++) {
    const visit = new Visit([looping], { 'x-do': 'loop' }).begin();
    assert.equal(await visit.leaves('reply'), 'reply 503 filter_failed');
    visit.end();
  }
  await rig.says('plugin looping has cost 5 threads in a row: for 60 s its requests go by its fail strategy');
  const visit = new Visit([looping], { 'x-do': 'loop' }).begin();
  assert.equal(await visit.leaves('reply'), 'reply 503 filter_failed');
  visit.end();
  const passes = new Visit([other]).begin();
  await passes.leaves('head');
  passes.end();
  assert.equal(rig.filterThreads.restarts, 5);
  assert.deepEqual(rig.restarts, new Array(5).fill('looping deadline'));
  await rig.stop();
});

test('more than a thread can be asked for fails by the strategy, with one line that says so', async () => {
  const rig = startRig({ deadlineMs: 2000 });
  const closed = rig.plugin({ name: 'closed' });
  const open = rig.plugin({ name: 'open', failStrategy: 'FAIL_OPEN' });
  const looping = new Visit([closed], { 'x-do': 'loop' }).begin();
  const waiting = Array.from({ length: 2047 }, () => new Visit([closed]).begin());
  const refused = [new Visit([closed]).begin(), new Visit([closed]).begin()];
  const passed = new Visit([open]).begin('whole');
  assert.deepEqual(
    refused.map(({ out }) => out[0]),
    ['reply 503 filter_failed', 'reply 503 filter_failed'],
  );
  assert.equal(passed.out.at(-1), 'body whole end');
  const complaints = rig.lines.filter((line) => line.includes('does not keep up'));
  assert.equal(complaints.length, 1);
  assert.match(complaints[0], /^error closed: pool thread 0 does not keep up: 2048 events with \d+ bytes wait for it$/);
  await looping.leaves('reply');
  for (const visit of [looping, ...waiting, ...refused, passed]) visit.end();
  const after = new Visit([closed]).begin();
  await after.leaves('head');
  after.end();
  await rig.stop();
});
