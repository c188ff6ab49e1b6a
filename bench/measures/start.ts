// From the start of a peer's process to its first answer, again and again.

import { figuresOf, median, type PeerFigures, type Round, rounded } from '../figures.ts';
import type { Entrant, StartScenario } from '../scenarios/scenario.ts';
import { readiness } from './readiness.ts';
import type { Measure } from './setting.ts';

interface Starts {
  readonly entrant: Entrant;
  readonly readyMs: number[];
  readonly rounds: Round[];
  failed: boolean;
}

export const measureStart: Measure<StartScenario> = async ({ entrants }, setting) => {
  const all = entrants.map((entrant): Starts => ({ entrant, readyMs: [], rounds: [], failed: false }));
  for (let round = 0; round < setting.rounds; round++) {
    for (const starts of all.filter(({ failed }) => !failed)) {
      try {
        const stall = await setting.stable.start(starts.entrant);
        starts.readyMs.push(await readiness(stall, setting));
        const { rssMiB } = stall.usage();
        starts.rounds.push({ cpuMicrosPerRequest: 0, requestsPerSecond: 0, rssMiB, errors: 0 });
        await setting.stable.end(stall);
      } catch (error) {
        starts.failed = true;
        setting.leaveOut(starts.entrant.label, (error as Error).message);
      }
    }
  }
  const done = all.filter(({ failed }) => !failed);
  const figures = done.map(({ entrant, readyMs, rounds }): PeerFigures => {
    return figuresOf(entrant.label, rounds, undefined, { readyMs: rounded(median(readyMs)) });
  });
  setting.say(`  ${figures.map(({ peer, also }) => `${peer} ${also.readyMs.toFixed(0)}`).join(', ')} ms`);
  return figures;
};
