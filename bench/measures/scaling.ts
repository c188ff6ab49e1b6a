// More threads of a peer beside one of it. What counts is the processor time of a request: when each thread gets a core,
// a request that costs as much as before means that twice the threads answer twice as much.

import { median, type PeerFigures, rounded } from '../figures.ts';
import type { Entrant, LoadScenario, ScalingScenario } from '../scenarios/scenario.ts';
import { measureLoad } from './load.ts';
import type { Measure } from './setting.ts';

export const measureScaling: Measure<ScalingScenario> = async (scenario, setting) => {
  const load: LoadScenario = { ...scenario, kind: 'load' };
  const figures = await measureLoad(load, setting);
  return figures.map((one) => {
    const entrant = scenario.entrants.find(({ label }) => label === one.peer)!;
    const single = figures.find(({ peer }) => peer === singleOf(entrant, scenario.entrants)?.label);
    if (single === undefined) return one;
    const scaling = scalingOf(one, single, entrant.setup.shards);
    setting.say(`  ${one.peer}: ${scaling.toFixed(2)} x ${single.peer}`);
    return { ...one, also: { ...one.also, scaling } };
  });
};

/** What `shards` threads answer when each has a core of its own, in units of what one does: median over the rounds. */
export function scalingOf(many: PeerFigures, single: PeerFigures, shards: number): number {
  const ratios = many.rounds.map((round, i) => single.rounds[i].cpuMicrosPerRequest / round.cpuMicrosPerRequest);
  return rounded(shards * median(ratios));
}

function singleOf({ peer, setup }: Entrant, entrants: readonly Entrant[]): Entrant | undefined {
  if (setup.shards === 1) return undefined;
  return entrants.find((other) => other.peer === peer && other.setup.shards === 1);
}
