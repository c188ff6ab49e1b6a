// How a bench of its own begins and ends: its arguments, and what it has started and written when somebody stops it.

import { rmSync } from 'node:fs';
import { tellUsage } from '../scripts/usage.ts';
import type { Children } from './children.ts';

const MOST_MS = 10_000;

/** `parse`: what is asked for, or what is wrong with it. Sets the exit code: 2 for arguments that are none. */
export async function runCommand<Command extends object>(
  usage: string,
  parse: (args: readonly string[]) => Command | string,
  run: (command: Command) => Promise<number>,
): Promise<void> {
  tellUsage(usage);
  const command = parse(process.argv.slice(2));
  if (typeof command === 'string') {
    console.error(`bench: ${command}\n${usage}`);
    process.exitCode = 2;
  } else process.exitCode = await run(command);
}

/** CPU times come from /proc. */
export function canMeasure(): boolean {
  if (process.platform === 'linux') return true;
  console.error('bench: nothing can be measured: CPU times come from /proc, which only Linux has');
  return false;
}

/** Runs `measure`, and stops what it has started and removes its folder, however it ends. Resolves with the exit code. */
export async function measured(children: Children, folder: string, measure: () => Promise<number>): Promise<number> {
  const say = (line: string): void => console.error(line);
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      stopping = true;
      say(`bench: ${signal}, stopping what was started`);
      void children.stop(MOST_MS).then(() => {
        rmSync(folder, { recursive: true, force: true });
        process.exit(130);
      });
    });
  }
  try {
    return await measure();
  } catch (error) {
    // What was stopped reports nothing, and that is no news.
    if (!stopping) say(`bench: ${(error as Error).message}`);
    return stopping ? 130 : 1;
  } finally {
    await children.stop(MOST_MS);
    rmSync(folder, { recursive: true, force: true });
  }
}
