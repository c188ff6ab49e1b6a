// Load on one peer after the other, in rounds: the closed loop in each, the open one in every second.

import { figuresOf, latencyOf, type Round } from '../figures.ts';
import type { ClosedLoop } from '../load/load.ts';
import type { LoadScenario } from '../scenarios/scenario.ts';
import type { Stall } from '../stable.ts';
import type { Measure, MeasureSetting } from './setting.ts';

const WARM_REQUESTS = 30_000;
const MOST_WARM_UPS = 15;

/** What is known of one entrant so far. */
interface Record {
  readonly stall: Stall;
  readonly rounds: Round[];
  latenciesMicros: number[];
  lateP99Micros: number;
  lateErrors: number;
}

export const measureLoad: Measure<LoadScenario> = async (scenario, setting) => {
  const records: Record[] = [];
  for (const stall of await servingStalls(scenario, setting)) {
    records.push({ stall, rounds: [], latenciesMicros: [], lateP99Micros: 0, lateErrors: 0 });
  }
  const { loads, say, rounds } = setting;
  const seconds = setting.seconds * scenario.length;
  const closed = scenario.closed === 'wrk' ? loads.closed : loads.patient;
  let lasting: readonly Record[] = records;
  // Who fails in the middle is left out; what the others have done stays.
  const each = async (turn: (record: Record) => Promise<void>): Promise<void> => {
    for (const record of lasting) {
      try {
        await turn(record);
      } catch (error) {
        lasting = lasting.filter((other) => other !== record);
        setting.leaveOut(record.stall.entrant.label, (error as Error).message);
      }
    }
  };
  await each(({ stall }) => warmUp(stall, scenario, closed, setting.seconds));
  for (let round = 0; round < rounds; round++) {
    await each(async (record) => {
      record.rounds.push(await runClosed(record.stall, scenario, seconds, setting));
      if (round % 2 === 0 && scenario.rate > 0) await runOpen(record, scenario, seconds, setting);
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

/** Unmeasured: connections are opened, and code that is compiled as it runs has run often enough also where time is scarce. */
async function warmUp(
  { origin }: Stall,
  { traffic }: LoadScenario,
  closed: ClosedLoop,
  seconds: number,
): Promise<void> {
  const enough = closed.name === 'wrk' ? WARM_REQUESTS : 1;
  let requests = 0;
  for (let i = 0; i < MOST_WARM_UPS && requests < enough; i++) {
    requests += (await closed.run(origin, traffic, seconds)).requests;
  }
}

/** Those that can be started and serve what is asked. */
export async function servingStalls(scenario: LoadScenario, setting: MeasureSetting): Promise<Stall[]> {
  const serving: Stall[] = [];
  for (const entrant of scenario.entrants) {
    try {
      const stall = await setting.stable.get(entrant);
      await setting.serves(stall, scenario.traffic, entrant.setup.filters === 'wasm-header' ? scenario.proof : null);
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
  const figures = await (closed === 'wrk' ? loads.closed : loads.patient).run(stall.origin, traffic, seconds);
  const after = stall.usage();
  const { label } = stall.entrant;
  if (!stall.alive()) throw new Error(`${label} ended under ${name}: ${stall.said()}`);
  if (figures.requests === 0) throw new Error(`${label} answered nothing under ${name}`);
  return {
    cpuMicrosPerRequest: (after.cpuMicros - before.cpuMicros) / figures.requests,
    requestsPerSecond: figures.requests / figures.seconds,
    rssMiB: after.rssMiB,
    errors: figures.errors,
  };
}

async function runOpen(
  record: Record,
  { traffic, rate }: LoadScenario,
  seconds: number,
  { loads }: MeasureSetting,
): Promise<void> {
  const figures = await loads.open.run(record.stall.origin, traffic, rate, seconds);
  record.latenciesMicros = record.latenciesMicros.concat(figures.latenciesMicros);
  record.lateP99Micros = Math.max(record.lateP99Micros, figures.lateP99Micros);
  record.lateErrors += figures.errors;
}
