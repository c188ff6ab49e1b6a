// What every filter and the stream that it is given owe each other, wherever the filter runs: one guest, asked the same things
// through the filter manager.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import { DELAYED, Visit } from '../core/isolation/rig.ts';

/** `filter`: the labour fixture, configured. */
export function filterContract(name: string, filter: () => FilterFactory): void {
  suite(`a filter ${name}`, () => {
    test('sees head, body and trailers of a request in this order, and what it changes goes on', async () => {
      const visit = new Visit([filter()], { 'x-secret': 'a', 'x-do': 'redact' });
      visit.enter();
      visit.send('call 112');
      visit.trail({ 'x-end': 'y' });
      assert.equal(await visit.leaves('head'), 'head POST /reviews/0 -1 x-do=redact x-seen=/reviews/0');
      await visit.leaves('trailers');
      const kinds = visit.out.filter((line) => !line.startsWith('answer')).map((line) => line.split(' ')[0]);
      assert.deepEqual(kinds, ['head', 'body', 'trailers']);
      assert.match(visit.out[1], /^body call ###/);
      visit.end();
    });

    test('sees the response with what it remembers of the request, and its flags are the exchange’s', async () => {
      const visit = new Visit([filter()], {}).begin();
      await visit.leaves('head');
      assert.equal(visit.flags & DELAYED, DELAYED);
      visit.answer({}, 'yours for 99');
      assert.match(await visit.leaves('answer 200'), /x-seen=x-seen!/);
      assert.equal(await visit.answerBody(), 'yours for ##');
      visit.end();
    });

    test('holds a direction until it lets go, and what it held comes to it as one', async () => {
      const visit = new Visit([filter()], { 'x-do': 'hold' }).begin('a', 'b', 'c');
      assert.equal(await visit.body(), '<abc>');
      visit.end();
    });

    test('is shown the trailers behind a body that it holds, and with them what it held goes on', async () => {
      const visit = new Visit([filter()], { 'x-do': 'hold' });
      visit.enter();
      visit.send('a');
      visit.send('b');
      visit.trail({ 'x-end': 'y' });
      assert.equal(await visit.leaves('trailers'), 'trailers 0 x-end=y x-seen=note');
      assert.ok(visit.out.includes('body [ab]'), visit.out.join(' | '));
      visit.end();
    });

    test('lets go of a head after the time that it asked for', async () => {
      const visit = new Visit([filter()], { 'x-do': 'wake', 'x-ms': '1' }).begin();
      await visit.leaves('head');
      visit.end();
    });

    test('answers by itself: nothing goes on, and those before it see the answer', async () => {
      const visit = new Visit([filter(), filter()], { 'x-do': 'reply' }).begin();
      await visit.leaves('answer 418');
      assert.equal(await visit.answerBody(), 'short and stout');
      assert.ok(!visit.out.some((line) => line.startsWith('head')));
      visit.end();
    });

    test('answers in place of a response that it does not like', async () => {
      const visit = new Visit([filter()], {}).begin();
      await visit.leaves('head');
      visit.answer({ 'x-do': 'reply' });
      await visit.leaves('answer 502');
      assert.equal(await visit.answerBody(), 'not like this');
      visit.end();
    });

    test('changes the path that those behind it see', async () => {
      const visit = new Visit([filter(), filter()], { 'x-do': 'move' }).begin();
      assert.match(await visit.leaves('head'), /^head POST \/moved .*x-seen=\/moved/);
      visit.end();
    });

    test('that traps fails its own exchange, and the next one is served', async () => {
      const trapped = new Visit([filter()], { 'x-do': 'trap' }).begin();
      await trapped.leaves(['answer 503', 'failed']);
      trapped.end();
      await until(async () => {
        const next = new Visit([filter()], {}).begin();
        const line = await next.leaves(['head', 'answer 503']);
        next.end();
        return line.startsWith('head');
      });
    });
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('it never came to that');
}
