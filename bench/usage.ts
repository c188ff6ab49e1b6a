// What a peer's processes have used, read from /proc: processor time of all threads, and resident memory.

import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** User and system time since the processes began, in microseconds; the kernel's grain is 10,000. */
  readonly cpuMicros: number;
  readonly rssMiB: number;
  readonly processes: number;
}

// USER_HZ, which Linux fixes at 100 towards user space on every architecture that Node runs on.
const MICROS_PER_TICK = 10_000;

/** The process `root` and all that descend from it. */
export function usage(root: number): Usage {
  return usageOf(family(root));
}

/** The process alone, all its threads. */
export function usageAlone(pid: number): Usage {
  return usageOf([pid]);
}

/** What descends from the process, without it. */
export function usageBelow(root: number): Usage {
  return usageOf(family(root).slice(1));
}

export function sumOf(all: readonly Usage[]): Usage {
  return {
    cpuMicros: all.reduce((total, one) => total + one.cpuMicros, 0),
    rssMiB: all.reduce((total, one) => total + one.rssMiB, 0),
    processes: all.reduce((total, one) => total + one.processes, 0),
  };
}

function usageOf(pids: readonly number[]): Usage {
  let ticks = 0;
  let kibibytes = 0;
  for (const pid of pids) {
    const fields = stat(pid);
    if (fields === null) continue;
    ticks += Number(fields[11]) + Number(fields[12]);
    kibibytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
  }
  return { cpuMicros: ticks * MICROS_PER_TICK, rssMiB: kibibytes / 1024, processes: pids.length };
}

function family(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(stat(pid)?.[1] ?? -1);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]) ?? []));
  return found;
}

/** Fields of /proc/PID/stat from the state on (the name before it may hold anything); null: the process has gone. */
function stat(pid: number): readonly string[] | null {
  const line = read(`/proc/${pid}/stat`);
  return line === null ? null : line.slice(line.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
