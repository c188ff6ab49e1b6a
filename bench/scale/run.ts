// npm run bench:scale: what a mesh of hundreds and thousands of proxies costs NATS and the control plane, and how fast it follows.
//
//   node bench/scale/run.ts [--proxies 300,1000,3000] [--changes 20] [--steady-seconds 20] [--json FILE]
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from '../children.ts';
import { canMeasure, measured, runCommand } from '../command.ts';
import { machine } from '../machine.ts';
import { measureScale, type ScaleFigures } from './measure.ts';
import { MeasuredMesh } from './mesh.ts';

const USAGE = `npm run bench:scale -- [--proxies 300,1000,3000] [--changes 20] [--steady-seconds 20] [--json FILE]
A mesh for each number of simulated proxies, one after the other: about a minute and a half each.`;
const STRING = { type: 'string' } as const;

interface Command {
  readonly proxies: readonly number[];
  readonly changes: number;
  readonly steadySeconds: number;
  readonly json: string | undefined;
}

function parse(args: readonly string[]): Command | string {
  let values: { proxies?: string; changes?: string; 'steady-seconds'?: string; json?: string };
  try {
    const options = { proxies: STRING, changes: STRING, 'steady-seconds': STRING, json: STRING };
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return (error as Error).message;
  }
  const proxies = (values.proxies ?? '300,1000,3000').split(',').map(Number);
  const changes = Number(values.changes ?? 20);
  const steadySeconds = Number(values['steady-seconds'] ?? 20);
  const whole = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most;
  if (!proxies.every((count) => whole(count, 16_000))) return '--proxies are whole numbers from 1 to 16000';
  if (!whole(changes, 1_000)) return '--changes is a whole number from 1 to 1000';
  if (!whole(steadySeconds, 3_600)) return '--steady-seconds is a whole number from 1 to 3600';
  return { proxies, changes, steadySeconds, json: values.json };
}

async function run({ proxies, changes, steadySeconds, json }: Command): Promise<number> {
  if (!canMeasure()) return 1;
  const about = machine();
  const folder = mkdtempSync(join(tmpdir(), 'weft-scale-'));
  const children = new Children();
  const say = (line: string) => console.error(line);
  const results: ScaleFigures[] = [];
  return measured(children, folder, async () => {
    try {
      for (const count of proxies) {
        const mesh = await MeasuredMesh.start(children, join(folder, `${results.length}`));
        try {
          results.push(await measureScale(mesh, count, { changes, steadySeconds, threads: 2, say }));
        } finally {
          await mesh.stop();
          await children.end(mesh.up, 10_000);
        }
      }
    } finally {
      if (results.length > 0) console.log(table(results));
    }
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine: about, results }, null, 2)}\n`);
    return 0;
  });
}

const COLUMNS: readonly (readonly [string, (figures: ScaleFigures) => string])[] = [
  ['proxies', ({ proxies }) => `${proxies}`],
  ['join s', ({ joinSeconds }) => joinSeconds.toFixed(1)],
  ['CPU s of NATS', ({ joinNatsSeconds }) => joinNatsSeconds.toFixed(1)],
  ['control', ({ joinControlSeconds }) => joinControlSeconds.toFixed(1)],
  ['proxies', ({ joinProxiesSeconds }) => joinProxiesSeconds.toFixed(1)],
  ['last p50 ms', ({ lastP50Ms }) => lastP50Ms.toFixed(0)],
  ['p99', ({ lastP99Ms }) => lastP99Ms.toFixed(0)],
  ['--wait p50 ms', ({ waitP50Ms }) => waitP50Ms.toFixed(0)],
  ['NATS CPU %', ({ natsCpuPercent }) => natsCpuPercent.toFixed(1)],
  ['MiB', ({ natsMiB }) => natsMiB.toFixed(0)],
  ['control CPU %', ({ controlCpuPercent }) => controlCpuPercent.toFixed(1)],
  ['MiB ', ({ controlMiB }) => controlMiB.toFixed(0)],
  ['messages/s', ({ messagesPerSecond }) => messagesPerSecond.toFixed(0)],
  ['KiB/s', ({ bytesPerSecond }) => (bytesPerSecond / 1024).toFixed(0)],
  ['connected again s', ({ connectedAgainSeconds }) => connectedAgainSeconds.toFixed(1)],
  ['all back s', ({ backSeconds }) => backSeconds.toFixed(1)],
];

function table(results: readonly ScaleFigures[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(COLUMNS.map(([title]) => title.trim())),
    line(COLUMNS.map(() => '---:')),
    ...results.map((figures) => line(COLUMNS.map(([, cell]) => cell(figures)))),
  ].join('\n');
}

await runCommand(USAGE, parse, run);
