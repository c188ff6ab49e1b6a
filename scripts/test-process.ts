// Loaded before the test files of a process: ends one that hangs, and says at its end what each file has cost.
import { appendFileSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Of one test file, its programs included. Seconds. */
export interface Cost {
  readonly file: string;
  readonly cpu: number;
  readonly wall: number;
}

export interface Measured {
  begin(): void;
  end(): void;
}

/** A file that hangs, or leaves something open that keeps it alive, is a failure and not a hung run. */
const FILE_TIMEOUT_MS = 240_000;
/** In which Linux counts, on every machine. */
const TICK_S = 0.01;

/** Of files that share this process. */
const parts: Cost[] = [];
let running = '';
let limit: NodeJS.Timeout | null = null;

const { WEFT_TEST_COSTS: costs } = process.env;
if (isMainThread && costs !== undefined) {
  // What the file starts is no test file.
  delete process.env.WEFT_TEST_COSTS;
  limit = setTimeout(() => {
    const open = process.getActiveResourcesInfo();
    process.stderr.write(`${running || 'this file'} did not end within ${FILE_TIMEOUT_MS / 1000} s; open: ${open}\n`);
    process.exit(1);
  }, FILE_TIMEOUT_MS);
  limit.unref();
  process.on('exit', () => {
    if (running !== '') process.stderr.write(`the process ended while ${running} ran\n`);
    let cpu = cpuSeconds();
    let wall = process.uptime();
    for (const part of parts) {
      cpu -= part.cpu;
      wall -= part.wall;
    }
    const lines = [...parts, { file: process.argv[1], cpu, wall }].map((cost) => `${JSON.stringify(cost)}\n`);
    appendFileSync(costs, lines.join(''));
  });
}

/** What a file costs that shares this process: from each `begin` to its `end`. */
export function measured(file: string): Measured {
  const cost = { file, cpu: 0, wall: 0 };
  parts.push(cost);
  let cpu = 0;
  let wall = 0;
  return {
    begin() {
      running = file;
      limit?.refresh();
      cpu = cpuSeconds();
      wall = process.uptime();
    },
    end() {
      running = '';
      cost.cpu += cpuSeconds() - cpu;
      cost.wall += process.uptime() - wall;
    },
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + childrenSeconds();
}

/** Of programs that have ended, and of theirs. Only Linux tells. */
function childrenSeconds(): number {
  if (process.platform !== 'linux') return 0;
  // Behind the command's name, which may hold anything.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * TICK_S;
}
