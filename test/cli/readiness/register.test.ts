import assert from 'node:assert/strict';
import { type Mock, type mock, test } from 'node:test';
import { registerWhileReady } from '../../../cli/readiness/register.ts';
import type { Thresholds } from '../../../cli/readiness/watch.ts';
import type { Node } from '../../../core/workload.ts';

const THRESHOLDS: Thresholds = { delayMs: 5000, periodMs: 2000, timeoutMs: 1000, failures: 3, successes: 1 };
const node = { name: 'orders-1' } as Node;

/** One that answers what `answers` says, one after the other, and then is stopped; `waited`: what it asked of the clock. */
async function watched(answers: string, thresholds: Partial<Thresholds> = {}) {
  const stop = new AbortController();
  const over = Promise.withResolvers<void>();
  const said: string[] = [];
  const waited: number[] = [];
  let at = 0;
  const probe = {
    what: 'the probe',
    check: async () => {
      const answer = answers[at++];
      if (at === answers.length) stop.abort();
      said.push(answer);
      return answer === '+' ? '' : 'it fails';
    },
  };
  const proxy = {
    node,
    register: async () => void said.push('in'),
    unregister: async () => void said.push('out'),
  };
  const wait = async (ms: number) => void waited.push(ms);
  stop.signal.addEventListener('abort', () => setImmediate(over.resolve));
  void registerWhileReady(proxy, probe, { ...THRESHOLDS, ...thresholds }, stop.signal, wait);
  await over.promise;
  return { said: said.join(' '), waited };
}

function quietly(context: { mock: typeof mock }): Mock<typeof process.stderr.write> {
  return context.mock.method(process.stderr, 'write', () => true);
}

test('an application comes in by its first success and goes out by so many failures in a row', async (t) => {
  const told = quietly(t);
  const { said, waited } = await watched('--+--+---++---.');
  assert.equal(said, '- - + in - - + - - - out + in + - - - out .');
  assert.deepEqual(waited.slice(0, 3), [5000, 2000, 2000]);
  assert.deepEqual(
    told.mock.calls.map(({ arguments: [text] }) => text),
    [
      'mesh: orders-1 is not ready, and nobody calls it until it is: the probe: it fails, 3 times in a row\n',
      'mesh: orders-1 is ready again: the probe\n',
      'mesh: orders-1 is not ready, and nobody calls it until it is: the probe: it fails, 3 times in a row\n',
    ],
  );
});

test('a threshold of successes is of successes in a row', async (t) => {
  quietly(t);
  assert.equal((await watched('+-++-+++.', { successes: 2, failures: 1 })).said, '+ - out + + in - out + + in + .');
});

test('one that is never ready is told of once, and is never registered', async (t) => {
  const told = quietly(t);
  const { said, waited } = await watched('-------.', { delayMs: 0 });
  assert.equal(said, '- - - out - - - - .');
  assert.equal(waited.length, 8);
  assert.equal(told.mock.callCount(), 1);
});

test('one without a probe is registered at once', async () => {
  let registered = 0;
  const proxy = { node, register: async () => void registered++, unregister: async () => undefined };
  await registerWhileReady(proxy, null, THRESHOLDS, new AbortController().signal);
  assert.equal(registered, 1);
});

test('a check that does not end fails, is not begun once more, and may be over later; one that throws fails, too', async (t) => {
  quietly(t);
  const stop = new AbortController();
  const said: string[] = [];
  const out = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>();
  const hanging = Promise.withResolvers<string>();
  const checks = [
    async () => '',
    () => hanging.promise,
    () => Promise.reject(new Error('spawn ENOMEM')),
    async () => '',
  ];
  let begun = 0;
  const probe = { what: 'the probe', check: () => checks[Math.min(begun++, checks.length - 1)]() };
  const proxy = {
    node,
    register: async () => {
      said.push('in');
      if (said.length === 3) again.resolve();
    },
    unregister: async () => {
      said.push('out');
      out.resolve();
    },
  };
  const wait = () => new Promise((resolve) => setTimeout(resolve, 2));
  const thresholds = { ...THRESHOLDS, timeoutMs: 5 };
  await registerWhileReady(proxy, probe, thresholds, stop.signal, wait);
  // The timer of a check keeps no program alive.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  await out.promise;
  assert.equal(begun, 2);
  hanging.resolve('');
  await again.promise;
  stop.abort();
  assert.deepEqual([said, begun >= 4], [['in', 'out', 'in'], true]);
});
