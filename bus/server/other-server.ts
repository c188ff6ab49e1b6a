// Whether another nats-server uses a state folder. JetStream does not lock it: two servers on it would destroy each other's data.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from './server-conf.ts';

/** The guard of a server whose owner died gives it this long to end (see server.ts), and some more. */
const LAST_MS = 13_000;

export interface StateFolder {
  readonly dir: string;
  /** nats-server's own number. */
  readonly pidFile: string;
  /** The number of who started its guard. */
  readonly ownerFile: string;
}

/** Waits for one that is ending because whoever started it was killed. Throws, in a sentence, when one stays. */
export async function noneOtherOn(
  folder: StateFolder,
  onProgress: (sentence: string) => void = () => {},
): Promise<void> {
  const { dir } = folder;
  const deadline = performance.now() + LAST_MS;
  for (let told = false; ; told = true) {
    const pid = await serverOn(folder);
    if (pid === null) return;
    if (performance.now() > deadline || !(await isEnding(pid, folder))) {
      throw new Error(`a nats-server (pid ${pid}) already runs on ${dir}: stop it first`);
    }
    if (!told) onProgress(`the nats-server of a mesh that was killed still ends (pid ${pid}): waiting for it`);
    await delay(100);
  }
}

async function serverOn({ dir, pidFile }: StateFolder): Promise<number | null> {
  const pid = Number((await readIfThere(pidFile)) ?? 0);
  if (!(pid > 0) || !isAlive(pid)) return null;
  // A number that was given to another program since is none.
  return (await commandOf(pid)).includes(dir) ? pid : null;
}

/** Its guard has lost who started it, and has told it to end. */
async function isEnding(pid: number, { dir, ownerFile }: StateFolder): Promise<boolean> {
  const guard = await parentOf(pid);
  // A server that has ended meanwhile has no parent.
  if (guard === null) return true;
  if (!(await commandOf(guard)).includes(dir)) return false;
  const owner = Number((await readIfThere(ownerFile)) ?? 0);
  return owner > 0 && (await parentOf(guard)) !== owner;
}

async function commandOf(pid: number): Promise<string> {
  return (await readIfThere(`/proc/${pid}/cmdline`)) ?? (await ps('command=', pid));
}

/** null: there is no such process. */
async function parentOf(pid: number): Promise<number | null> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  // Behind the command's name, which may hold anything: its state and its parent.
  const parent = Number(stat === null ? await ps('ppid=', pid) : stat.replace(/^.*\)/s, '').trim().split(' ')[1]);
  return parent > 0 ? parent : null;
}

function ps(column: string, pid: number): Promise<string> {
  return new Promise((told) => {
    execFile('ps', ['-o', column, '-p', String(pid)], (_, stdout) => told(stdout));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
