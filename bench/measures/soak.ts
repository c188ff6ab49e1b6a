// Memory under load over time: where it ends, where it was after the first tenth, its height, and how much an hour it grows.

import { figuresOf, median, type PeerFigures, type Round, rounded, slopeOf } from '../figures.ts';
import type { SoakScenario } from '../scenarios/scenario.ts';
import type { Stall } from '../stable.ts';
import type { Measure, MeasureSetting } from './setting.ts';

const SLICES = 20;
const LEAST_ROUNDS = 10;
/** A long soak is looked at this often. */
const MOST_SLICE_SECONDS = 30;
/** Caches fill and code is compiled in the first fifth: growth counts from there. */
const SETTLED = 0.2;

export const measureSoak: Measure<SoakScenario> = async (scenario, setting) => {
  const figures: PeerFigures[] = [];
  const seconds = setting.soakSeconds ?? setting.seconds * scenario.length;
  const slice = Math.max(1, Math.min(MOST_SLICE_SECONDS, Math.round(seconds / SLICES)));
  for (const entrant of scenario.entrants) {
    try {
      const stall = await setting.stable.start(entrant);
      await setting.serves(stall, scenario.traffic, null);
      const began = performance.now();
      const rounds: Round[] = [];
      for (let atSeconds = 0; atSeconds < seconds || rounds.length < LEAST_ROUNDS; ) {
        const round = await soaked(stall, scenario, slice, setting);
        atSeconds = Math.round((performance.now() - began) / 1000);
        rounds.push({ ...round, atSeconds });
        if (rounds.length % SLICES === 0) {
          setting.say(`  ${entrant.label} after ${atSeconds} s: ${round.rssMiB.toFixed(1)} MiB`);
        }
      }
      await setting.stable.end(stall);
      figures.push(figuresOf(entrant.label, rounds, undefined, memoryOf(rounds)));
      const rss = rounds.map(({ rssMiB }) => rssMiB.toFixed(0));
      setting.say(`  ${entrant.label} ${rss.join(' ')} MiB`);
    } catch (error) {
      setting.leaveOut(entrant.label, (error as Error).message);
    }
  }
  return figures;
};

/** One slice: as much as goes, or at the scenario's rate when it is long. */
async function soaked(
  stall: Stall,
  { traffic, rate }: SoakScenario,
  seconds: number,
  { loads, soakSeconds }: MeasureSetting,
): Promise<Round> {
  const before = stall.usage();
  const paced = soakSeconds === null ? null : await loads.open.run(stall.origin, traffic, rate, seconds);
  const asked =
    paced === null
      ? await loads.closed.wrk.run(stall.origin, traffic, seconds)
      : { requests: rate * seconds, seconds, errors: paced.errors };
  const after = stall.usage();
  if (!stall.alive()) throw new Error(`it ended: ${stall.said()}`);
  return {
    cpuMicrosPerRequest: (after.cpuMicros - before.cpuMicros) / Math.max(1, asked.requests),
    requestsPerSecond: asked.requests / asked.seconds,
    rssMiB: after.rssMiB,
    errors: asked.errors,
    // Errors of a generator that was itself seconds late are its own.
    ...(paced === null ? {} : { also: { lateP99Ms: rounded(paced.lateP99Micros / 1000) } }),
  };
}

function memoryOf(rounds: readonly Round[]): Readonly<Record<string, number>> {
  const rss = rounds.map(({ rssMiB }) => rssMiB);
  const tenth = Math.max(3, Math.round(rss.length / 10));
  const settled = rounds.slice(Math.round(rounds.length * SETTLED));
  const slope = slopeOf(settled.map(({ atSeconds, rssMiB }) => [atSeconds!, rssMiB]));
  return {
    soakSeconds: rounds.at(-1)!.atSeconds!,
    rssEarlyMiB: rounded(median(rss.slice(1, 1 + tenth))),
    rssLateMiB: rounded(median(rss.slice(-tenth))),
    rssMostMiB: rounded(Math.max(...rss)),
    rssSlopeMiBPerHour: rounded(slope * 3600),
  };
}
