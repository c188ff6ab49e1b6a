// Memory under load over time: the figure is where it ends, beside where it was after the first tenth, and its height.

import { figuresOf, median, type PeerFigures, type Round, rounded } from '../figures.ts';
import type { SoakScenario } from '../scenarios/scenario.ts';
import type { Measure } from './setting.ts';

const SLICES = 20;

export const measureSoak: Measure<SoakScenario> = async ({ entrants, traffic, length }, setting) => {
  const figures: PeerFigures[] = [];
  const seconds = Math.max(1, Math.round((setting.seconds * length) / SLICES));
  for (const entrant of entrants) {
    try {
      const stall = await setting.stable.start(entrant);
      await setting.serves(stall, traffic, null);
      const rounds: Round[] = [];
      for (let slice = 0; slice < SLICES; slice++) {
        const before = stall.usage();
        const { requests, errors, seconds: took } = await setting.loads.closed.run(stall.origin, traffic, seconds);
        const after = stall.usage();
        const cpuMicrosPerRequest = (after.cpuMicros - before.cpuMicros) / Math.max(1, requests);
        rounds.push({ cpuMicrosPerRequest, requestsPerSecond: requests / took, rssMiB: after.rssMiB, errors });
      }
      await setting.stable.end(stall);
      const rss = rounds.map(({ rssMiB }) => rssMiB);
      const also = {
        soakSeconds: seconds * SLICES,
        rssEarlyMiB: rounded(median(rss.slice(1, 4))),
        rssLateMiB: rounded(median(rss.slice(-3))),
        rssMostMiB: rounded(Math.max(...rss)),
      };
      setting.say(`  ${entrant.label} ${rss.map((mib) => mib.toFixed(0)).join(' ')} MiB`);
      figures.push(figuresOf(entrant.label, rounds, undefined, also));
    } catch (error) {
      setting.leaveOut(entrant.label, (error as Error).message);
    }
  }
  return figures;
};
