import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { endInOrder } from '../../bus/in-order.ts';

suite('an end of several steps', () => {
  test('goes on after a step that fails, that throws, and that is never over, and tells of each', async () => {
    const done: string[] = [];
    const told: string[] = [];
    const step = (what: string, end: () => unknown) => ({ what, ms: 20, end });
    await endInOrder(
      [
        step('refusing', () => Promise.reject(new Error('no'))),
        step('throwing', () => {
          throw new Error('not at all');
        }),
        step('waiting', () => new Promise(() => {})),
        step('nothing', () => null),
        step('last', () => done.push('last')),
      ],
      (sentence) => told.push(sentence),
    );
    assert.deepEqual(done, ['last']);
    assert.deepEqual(told, [
      'refusing failed: no',
      'throwing failed: not at all',
      'waiting takes longer than 20 ms and is not waited for',
    ]);
  });

  test('has each step over before the next begins', async () => {
    const order: string[] = [];
    const step = (what: string) => ({
      what,
      ms: 1_000,
      end: async () => {
        order.push(`${what} begins`);
        await new Promise(setImmediate);
        order.push(`${what} ends`);
      },
    });
    await endInOrder([step('one'), step('two')], assert.fail);
    assert.deepEqual(order, ['one begins', 'one ends', 'two begins', 'two ends']);
  });
});
