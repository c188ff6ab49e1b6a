// From the writing of a file with a new route to the first answer by that route.

import { figuresOf, median, type PeerFigures, rounded } from '../figures.ts';
import { get } from '../scenarios/entrants.ts';
import type { ApplyScenario } from '../scenarios/scenario.ts';
import { readiness } from './readiness.ts';
import type { Measure } from './setting.ts';

export const measureApply: Measure<ApplyScenario> = async ({ entrants }, setting) => {
  const figures: PeerFigures[] = [];
  for (const entrant of entrants) {
    try {
      const stall = await setting.stable.start(entrant);
      await readiness(stall, setting);
      const took: number[] = [];
      for (let round = 0; round < setting.rounds; round++) {
        // Until then the upstream knows no such path.
        const path = `/added-${round}`;
        const started = performance.now();
        await stall.addRoute!(path);
        await setting.serves(stall, get(300, { path }), null, 1);
        took.push(performance.now() - started);
      }
      const { rssMiB } = stall.usage();
      await setting.stable.end(stall);
      const round = { cpuMicrosPerRequest: 0, requestsPerSecond: 0, rssMiB, errors: 0 };
      figures.push(figuresOf(entrant.label, [round], undefined, { appliedMs: rounded(median(took)) }));
      setting.say(`  ${entrant.label} ${median(took).toFixed(0)} ms`);
    } catch (error) {
      setting.leaveOut(entrant.label, (error as Error).message);
    }
  }
  return figures;
};
