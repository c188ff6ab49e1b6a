// Loaded before a test file, in its process: ends one that hangs, and says at its end what the file has cost.
import { appendFileSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Of one test file, its programs included. Seconds. */
export interface Cost {
  readonly file: string;
  readonly cpu: number;
  readonly wall: number;
}

/** A file that hangs, or leaves something open that keeps it alive, is a failure and not a hung run. */
const FILE_TIMEOUT_MS = 240_000;
/** In which Linux counts, on every machine. */
const TICK_S = 0.01;

const { WEFT_TEST_COSTS: costs } = process.env;
if (isMainThread && costs !== undefined) {
  // What the file starts is no test file.
  delete process.env.WEFT_TEST_COSTS;
  setTimeout(() => {
    const open = process.getActiveResourcesInfo();
    process.stderr.write(`this file did not end within ${FILE_TIMEOUT_MS / 1000} s; open: ${open}\n`);
    process.exit(1);
  }, FILE_TIMEOUT_MS).unref();
  process.on('exit', () => {
    const cost: Cost = { file: process.argv[1], cpu: ownSeconds() + childrenSeconds(), wall: process.uptime() };
    appendFileSync(costs, `${JSON.stringify(cost)}\n`);
  });
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
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
