// Nanoseconds of every hot function, beside its budget: `node bench/micro/run.ts [WORD]`, of those whose names contain WORD.

import { tellUsage } from '../../scripts/usage.ts';
import { attributeSubjects } from './attributes.ts';
import { chainSubjects } from './chain.ts';
import { dataPlaneSubjects } from './data-plane.ts';
import { expressionSubjects } from './expression.ts';
import { codecSubjects } from './http1.ts';
import { sixFilters } from './six-filters.ts';
import { timings } from './subject.ts';
import { filterSubjects } from './wasm.ts';

tellUsage('node bench/micro/run.ts [WORD]: nanoseconds of every hot function whose name contains WORD');
const word = process.argv[2] ?? '';
const guests = [await filterSubjects(), await sixFilters(), await chainSubjects(), await attributeSubjects()];
const own = [...codecSubjects(), ...dataPlaneSubjects(), ...expressionSubjects()];
const all = [...own, ...guests.flatMap(({ subjects }) => subjects)].filter(({ name }) => name.includes(word));
for (const { name, nanoseconds, ratio, budget } of timings(all)) {
  const [ns, times, most] = [nanoseconds.toFixed(0).padStart(7), ratio.toFixed(2).padStart(6), budget.toFixed(2)];
  process.stdout.write(`${name.padEnd(52)} ${ns} ns  ${times} of the calibration loop, budget ${most}\n`);
}
for (const { stop } of guests) stop();
