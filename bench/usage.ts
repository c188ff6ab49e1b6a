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

/** Processor time of each thread of the process and of those that descend from it, by an id of the thread, in microseconds. */
export function threadsOf(root: number): ReadonlyMap<string, number> {
  const threads = new Map<string, number>();
  for (const pid of family(root)) {
    for (const thread of list(`/proc/${pid}/task`)) {
      const fields = stat(`${pid}/task/${thread}`);
      if (fields !== null) threads.set(thread, microsOf(fields));
    }
  }
  return threads;
}

export function sumOf(all: readonly Usage[]): Usage {
  return {
    cpuMicros: all.reduce((total, one) => total + one.cpuMicros, 0),
    rssMiB: all.reduce((total, one) => total + one.rssMiB, 0),
    processes: all.reduce((total, one) => total + one.processes, 0),
  };
}

function usageOf(pids: readonly number[]): Usage {
  let cpuMicros = 0;
  let kibibytes = 0;
  for (const pid of pids) {
    const fields = stat(pid);
    if (fields === null) continue;
    cpuMicros += microsOf(fields);
    kibibytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
  }
  return { cpuMicros, rssMiB: kibibytes / 1024, processes: pids.length };
}

function microsOf(fields: readonly string[]): number {
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

function family(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of list('/proc')) {
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

/** Fields of /proc/WHO/stat from the state on (the name before it may hold anything); null: it has gone. */
function stat(who: number | string): readonly string[] | null {
  const line = read(`/proc/${who}/stat`);
  return line === null ? null : line.slice(line.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string | null {
  return unlessGone(() => readFileSync(path, 'latin1'));
}

function list(folder: string): readonly string[] {
  return unlessGone(() => readdirSync(folder)) ?? [];
}

/** null: the process has ended meanwhile. */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
