// What the hot functions may cost, in turns of a calibration loop that runs between them in the same thread. The budgets
// catch what became twice as slow; a slow or crowded machine slows both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributeSubjects } from '../../bench/micro/attributes.ts';
import { chainSubjects } from '../../bench/micro/chain.ts';
import { dataPlaneSubjects } from '../../bench/micro/data-plane.ts';
import { expressionSubjects } from '../../bench/micro/expression.ts';
import { codecSubjects } from '../../bench/micro/http1.ts';
import { sixFilters } from '../../bench/micro/six-filters.ts';
import { type Subject, timings } from '../../bench/micro/subject.ts';
import { filterSubjects } from '../../bench/micro/wasm.ts';

test('a function that does its work three times costs three times as much', () => {
  const scan = (bytes: Uint8Array) => {
    let sum = 0;
    for (let i = 0; i < bytes.length; i++) sum += bytes[i];
    return sum;
  };
  const bytes = new Uint8Array(3000).fill(7);
  const subject = (name: string, part: Uint8Array): Subject => ({
    name,
    budget: 1,
    run(times) {
      for (let i = 0; i < times; i++) if (scan(part) === 0) throw new Error('nothing was read');
    },
  });
  const [one, three] = timings([subject('one', bytes.subarray(0, 1000)), subject('three', bytes)]);
  assert.ok(three.ratio / one.ratio > 2 && three.ratio / one.ratio < 4, `${three.ratio} against ${one.ratio}`);
});

test('every hot function keeps within its budget', async () => {
  const guests = [await filterSubjects(), await sixFilters(), await chainSubjects(), await attributeSubjects()];
  const own = [...codecSubjects(), ...dataPlaneSubjects(), ...expressionSubjects()];
  let dear = [...own, ...guests.flatMap(({ subjects }) => subjects.slice(0, 2))];
  // Who is beyond it is asked again: a machine may be busy for longer than one measurement.
  for (let attempt = 0; attempt < 3 && dear.length > 0; attempt++) {
    const over = timings(dear).filter(({ ratio, budget }) => ratio > budget);
    dear = dear.filter(({ name }) => over.some((timing) => timing.name === name));
    if (attempt < 2) continue;
    assert.deepEqual(
      over.map(({ name, ratio, budget }) => `${name}: ${ratio.toFixed(2)} turns, ${budget} allowed`),
      [],
    );
  }
  for (const { stop } of guests) stop();
});
