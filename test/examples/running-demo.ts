// `npm run demo` as a test starts it: its words, its end, and whether it left anything behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WORKLOADS } from '../../examples/bookinfo/workloads.ts';
import { ROOT } from '../cli/mesh.ts';

/** Of each log, when it did not work. */
const LAST_LINES = 12;
const DEMO = join(ROOT, 'examples', 'bookinfo', 'demo.ts');

/** How it is told that every sidecar and the gateway have it. */
export const EVERY_PROXY = `${WORKLOADS.length + 1}/${WORKLOADS.length + 1} proxies`;

export interface RunningDemo {
  readonly child: ChildProcess;
  said(): string;
  /** Rejects with its words when it ends before. */
  until(pattern: RegExp): Promise<void>;
}

export function startDemo(home: string, args: readonly string[]): RunningDemo {
  const child: ChildProcess = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, MESH_HOME: home, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const heard = new Set<() => void>();
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      said += chunk;
      for (const check of heard) check();
    });
  }
  const until = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => pattern.test(said) && resolve();
      heard.add(check);
      child.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${said}${logsOf(home)}`)));
      check();
    });
  return { child, said: () => said, until };
}

/** How the log of each of its processes ends. */
function logsOf(home: string): string {
  const folder = join(home, 'logs');
  if (!existsSync(folder)) return '';
  const ends = readdirSync(folder).map((name) => {
    const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
    return `${name}:\n  ${lines.slice(-LAST_LINES).join('\n  ')}`;
  });
  return ends.join('\n');
}

/** Every process of the demo carries its home in the environment. */
export async function nobodyLeft(home: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const deadline = performance.now() + 30_000;
  for (;;) {
    const left = processesOf(home);
    if (left.length === 0) return;
    assert.ok(performance.now() < deadline, `left behind: ${left.join('; ')}`);
    await delay(100);
  }
}

function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const mine = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`MESH_HOME=${home}`);
        return mine ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`] : [];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}
