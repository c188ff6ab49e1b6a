// npm run bench: what a request costs in weft and in what users would take instead, measured in one run.
// It reads its arguments, runs `measure`, prints, and leaves no process and no file behind.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from './children.ts';
import { canMeasure, measured, runCommand } from './command.ts';
import { h2load } from './load/h2load.ts';
import type { Loads } from './load/load.ts';
import { handshakeLoop, messageLoop, openLoop, patientLoop } from './load/own.ts';
import { wrk } from './load/wrk.ts';
import { measure, type Plan } from './measure.ts';
import { peers } from './peers/all.ts';
import { report } from './report.ts';
import { writeResults } from './results.ts';
import { scenarios } from './scenarios/all.ts';

/** Of the whole, on two cores. */
const MINUTES = 16;
const USAGE = `npm run bench -- [--peers ${names(peers)}]
                 [--scenario NAME,...] [--seconds 1] [--rounds 5] [--soak-seconds N] [--json FILE] [--write]
--seconds: of load for each peer in each round; every peer is warmed up as long. --json: the figures, for programs.
--soak-seconds: instead of everything else 'soak', that long, at 2,000 requests a second; 3600 is an hour.
--write: bench/RESULTS.md and bench/results.svg. All peers and scenarios take about ${MINUTES} minutes at one second and five rounds.
scenarios: ${names(scenarios)}`;

interface Values {
  readonly peers?: string;
  readonly scenario?: string;
  readonly seconds?: string;
  readonly rounds?: string;
  readonly 'soak-seconds'?: string;
  readonly json?: string;
  readonly write?: boolean;
}

interface Command extends Plan {
  readonly json: string | undefined;
  readonly write: boolean;
}

await runCommand(USAGE, parse, run);

async function run(command: Command): Promise<number> {
  const children = new Children();
  const closed = {
    wrk: wrk(children),
    patient: patientLoop(children),
    h2load: h2load(children),
    messages: messageLoop(children),
    handshakes: handshakeLoop(children),
  };
  const loads: Loads = { closed, open: openLoop(children) };
  if (!canMeasure()) return 1;
  const absent = closed.wrk.missing();
  if (absent !== null) {
    console.error(`bench: nothing can be measured: ${absent}`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  return measured(children, folder, async () => {
    const results = await measure(command, { children, loads, folder, say: (line) => console.error(line) });
    console.log(report(results));
    if (command.write) writeResults(results);
    if (command.json !== undefined) writeFileSync(command.json, `${JSON.stringify(results, null, 2)}\n`);
    const nothing = Object.keys(results.scenarios).length === 0;
    return nothing || results.missing.some(({ broken }) => broken) ? 1 : 0;
  });
}

/** The command, or what is wrong with it. */
function parse(args: readonly string[]): Command | string {
  let values: Values;
  try {
    const string = { type: 'string' } as const;
    const options = {
      peers: string,
      scenario: string,
      seconds: string,
      rounds: string,
      'soak-seconds': string,
      json: string,
      write: { type: 'boolean' } as const,
    };
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return (error as Error).message;
  }
  const seconds = Number(values.seconds ?? 1);
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 600) return '--seconds is a whole number from 1 to 600';
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) return '--rounds is a whole number from 1 to 100';
  const soakSeconds = values['soak-seconds'] === undefined ? null : Number(values['soak-seconds']);
  if (soakSeconds !== null && !(Number.isInteger(soakSeconds) && soakSeconds >= 20 && soakSeconds <= 1_000_000)) {
    return '--soak-seconds is a whole number from 20 on';
  }
  const chosenPeers = choose('peer', peers, values.peers);
  const chosenScenarios = choose('scenario', scenarios, values.scenario ?? (soakSeconds === null ? undefined : 'soak'));
  if (typeof chosenPeers === 'string') return chosenPeers;
  if (typeof chosenScenarios === 'string') return chosenScenarios;
  return {
    peers: chosenPeers,
    scenarios: chosenScenarios,
    seconds,
    rounds,
    soakSeconds,
    json: values.json,
    write: values.write ?? false,
  };
}

function choose<T extends { readonly name: string }>(
  what: string,
  known: readonly T[],
  wanted: string | undefined,
): readonly T[] | string {
  if (wanted === undefined) return known;
  const chosen: T[] = [];
  for (const name of new Set(wanted.split(','))) {
    const one = known.find((candidate) => candidate.name === name);
    if (one === undefined) return `no ${what} is named '${name}'; there are ${names(known)}`;
    chosen.push(one);
  }
  return chosen;
}

function names(of: readonly { readonly name: string }[]): string {
  return of.map(({ name }) => name).join(',');
}
