// Memory of a peer that has started, and what it does while nobody asks.

import { setTimeout as delay } from 'node:timers/promises';
import { figuresOf, median, type PeerFigures, rounded } from '../figures.ts';
import type { IdleScenario } from '../scenarios/scenario.ts';
import { readiness } from './readiness.ts';
import type { Measure } from './setting.ts';

const SETTLE_MS = 1000;

export const measureIdle: Measure<IdleScenario> = async ({ entrants }, setting) => {
  const figures: PeerFigures[] = [];
  for (const entrant of entrants) {
    try {
      // Never asked more than whether it is there, so not one that an earlier scenario has used.
      const stall = await setting.stable.start(entrant);
      await readiness(stall, setting);
      await delay(SETTLE_MS);
      const before = stall.usage();
      await delay(setting.seconds * 1000);
      const after = stall.usage();
      await setting.stable.end(stall);
      const idleCpuMillisPerSecond = rounded((after.cpuMicros - before.cpuMicros) / 1000 / setting.seconds);
      const rssMiB = median([before.rssMiB, after.rssMiB]);
      const round = { cpuMicrosPerRequest: 0, requestsPerSecond: 0, rssMiB, errors: 0 };
      figures.push(figuresOf(entrant.label, [round], undefined, { idleCpuMillisPerSecond }));
      setting.say(`  ${entrant.label} ${rssMiB.toFixed(1)} MiB`);
    } catch (error) {
      setting.leaveOut(entrant.label, (error as Error).message);
    }
  }
  return figures;
};
