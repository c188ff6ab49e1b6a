// Load on one peer after the other, in rounds: the closed loop in each, the open one in every second.

import { figuresOf, latencyOf, type Round } from '../figures.ts';
import type { ClosedLoop } from '../load/load.ts';
import type { LoadScenario } from '../scenarios/scenario.ts';
import { wasmFilterOf } from '../setups.ts';
import type { Stall } from '../stable.ts';
import { threadsOf } from '../usage.ts';
import type { Measure, MeasureSetting } from './setting.ts';

const MOST_WARM_UPS = 15;

/** What is known of one entrant so far. */
interface Entry {
  readonly stall: Stall;
  readonly rounds: Round[];
  latenciesMicros: number[];
  lateP99Micros: number;
  lateErrors: number;
}

export const measureLoad: Measure<LoadScenario> = async (scenario, setting) => {
  const entries: Entry[] = [];
  for (const stall of await servingStalls(scenario, setting)) {
    entries.push({ stall, rounds: [], latenciesMicros: [], lateP99Micros: 0, lateErrors: 0 });
  }
  const { loads, say, rounds } = setting;
  const seconds = setting.seconds * scenario.length;
  const closed = loads.closed[scenario.closed];
  let lasting: readonly Entry[] = entries;
  // Who fails in the middle is left out; what the others have done stays.
  const each = async (turn: (entry: Entry) => Promise<void>): Promise<void> => {
    for (const entry of lasting) {
      try {
        await turn(entry);
      } catch (error) {
        lasting = lasting.filter((other) => other !== entry);
        setting.leaveOut(entry.stall.entrant.label, (error as Error).message);
      }
    }
  };
  await each(({ stall }) => warmUp(stall, scenario, closed, setting.seconds));
  for (let round = 0; round < rounds; round++) {
    await each(async (entry) => {
      entry.rounds.push(await runClosed(entry.stall, scenario, seconds, setting));
      if (round % 2 === 0 && scenario.rate > 0) await runOpen(entry, scenario, seconds, setting);
    });
    const costs = lasting.map(({ stall, rounds: done }) => {
      return `${stall.entrant.label} ${done[round].cpuMicrosPerRequest.toFixed(1)}`;
    });
    say(`  round ${round + 1}/${rounds}: ${costs.join(', ')} µs CPU per request`);
  }
  return lasting.map(({ stall, rounds: done, latenciesMicros, lateP99Micros, lateErrors }) => {
    const latency = latencyOf(scenario.rate, latenciesMicros, lateP99Micros);
    const figures = figuresOf(stall.entrant.label, done, latency);
    return { ...figures, errors: figures.errors + lateErrors };
  });
};

/** Unmeasured: connections are opened, and code that is compiled as it runs has run often enough, also where time is scarce. */
async function warmUp(
  { origin }: Stall,
  { traffic, warm }: LoadScenario,
  closed: ClosedLoop,
  seconds: number,
): Promise<void> {
  let requests = 0;
  for (let i = 0; i < MOST_WARM_UPS && requests < warm; i++) {
    requests += (await closed.run(origin, traffic, seconds)).requests;
  }
}

/** Those that can be started and serve what is asked. */
export async function servingStalls(scenario: LoadScenario, setting: MeasureSetting): Promise<Stall[]> {
  const serving: Stall[] = [];
  for (const entrant of scenario.entrants) {
    try {
      const stall = await setting.stable.get(entrant);
      await setting.serves(stall, scenario.traffic, wasmFilterOf(entrant.setup) !== null ? scenario.proof : null);
      serving.push(stall);
    } catch (error) {
      setting.leaveOut(entrant.label, (error as Error).message);
    }
  }
  return serving;
}

async function runClosed(
  stall: Stall,
  { traffic, closed, name }: LoadScenario,
  seconds: number,
  { loads }: MeasureSetting,
): Promise<Round> {
  const before = stall.usage();
  const besides = besidesOf(stall);
  const threads = threadsIn(stall);
  const figures = await loads.closed[closed].run(stall.origin, traffic, seconds);
  const after = stall.usage();
  const { label } = stall.entrant;
  if (!stall.alive()) throw new Error(`${label} ended under ${name}: ${stall.said()}`);
  if (figures.requests === 0) throw new Error(`${label} answered nothing under ${name}`);
  // What it costs to refuse is nobody's question.
  if (figures.errors * 2 > figures.requests)
    throw new Error(`${label} failed ${figures.errors} of ${figures.requests} under ${name}`);
  return {
    cpuMicrosPerRequest: (after.cpuMicros - before.cpuMicros) / figures.requests,
    requestsPerSecond: figures.requests / figures.seconds,
    rssMiB: after.rssMiB,
    errors: figures.errors,
    also: {
      ...alsoOf(besides, besidesOf(stall), after.cpuMicros - before.cpuMicros, figures.requests),
      ...(threads === null ? {} : { evenness: evenness(threads, threadsIn(stall)!, stall.entrant.setup.shards) }),
    },
  };
}

/** Processor time of what works beside a peer, so far. */
function besidesOf({ beside = {} }: Stall): ReadonlyMap<string, number> {
  return new Map(Object.entries(beside).map(([name, used]) => [name, used().cpuMicros]));
}

/** Per request, under the names of what worked, and all of it together with the peer. */
function alsoOf(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  own: number,
  requests: number,
): Record<string, number> {
  const used = [...before].map(([name, micros]) => [name, after.get(name)! - micros] as const);
  const all = used.reduce((sum, [, micros]) => sum + micros, own);
  const named = [...used, ...(used.length === 0 ? [] : [['all', all] as const])];
  return Object.fromEntries(named.map(([name, micros]) => [`${name}CpuMicrosPerRequest`, micros / requests]));
}

/** null: only one of them serves. */
function threadsIn({ entrant, processes }: Stall): ReadonlyMap<string, number> | null {
  return entrant.setup.shards === 1 ? null : new Map(processes.flatMap(({ pid }) => [...threadsOf(pid)]));
}

/** Of the `shards` busiest threads: the least busy one's time for each second of the busiest, 1 when all did the same. */
export function evenness(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  shards: number,
): number {
  const worked = [...after].map(([thread, micros]) => micros - (before.get(thread) ?? 0));
  const serving = worked.toSorted((a, b) => b - a).slice(0, shards);
  return (serving[shards - 1] ?? 0) / Math.max(1, serving[0]);
}

async function runOpen(
  entry: Entry,
  { traffic, rate }: LoadScenario,
  seconds: number,
  { loads }: MeasureSetting,
): Promise<void> {
  const figures = await loads.open.run(entry.stall.origin, traffic, rate, seconds);
  entry.latenciesMicros = entry.latenciesMicros.concat(figures.latenciesMicros);
  entry.lateP99Micros = Math.max(entry.lateP99Micros, figures.lateP99Micros);
  entry.lateErrors += figures.errors;
}
