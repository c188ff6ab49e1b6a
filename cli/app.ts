// The application of `mesh run`: a child process in a group of its own, ended with all that it started, also when `mesh`
// itself is killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { hostPort } from '../core/host-port.ts';
import { CliError } from './exit.ts';

export interface AppEnd {
  /** As a shell tells it: 128 + number for a signal. */
  readonly exitCode: number;
  /** 'exit code 3', 'SIGKILL' */
  readonly how: string;
}

export interface App {
  readonly pid: number;
  readonly ended: Promise<AppEnd>;
  signal(signal: NodeJS.Signals): void;
  /** Ends it with a signal, and by force after `graceMs`. */
  stop(signal: NodeJS.Signals, graceMs: number): Promise<AppEnd>;
}

// $1 = process group. Its standard input is a pipe that closes when `mesh` is gone, however it went.
const GUARD = 'cat >/dev/null; kill -TERM "-$1" 2>/dev/null && sleep 5 && kill -KILL "-$1" 2>/dev/null; exit 0';
const POLL_MS = 50;

/** Throws CliError when the command cannot be started. */
export async function startApp(command: readonly string[], env: NodeJS.ProcessEnv): Promise<App> {
  const [file, ...args] = command;
  // The registry hears before the application does, so a terminal's Ctrl-C must not reach it directly.
  const child = spawn(file, args, { stdio: 'inherit', env, detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such command' : error.message;
      reject(new CliError(`cannot start ${file}: ${why}`));
    });
  });
  const pid = child.pid!;
  const guard = spawn('/bin/sh', ['-c', GUARD, 'mesh-guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const ended = new Promise<AppEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      // What it left behind in its group goes, too: the guard does that when the pipe closes.
      guard.stdin.end();
      resolve(describeEnd(code, signal));
    });
  });
  guard.stdin.on('error', () => guard.stdin.destroy());
  guard.unref();
  const signalGroup = (signal: NodeJS.Signals): void => send(child, pid, signal);
  return {
    pid,
    ended,
    signal: signalGroup,
    async stop(signal, graceMs) {
      signalGroup(signal);
      const timer = setTimeout(() => signalGroup('SIGKILL'), graceMs);
      const end = await ended;
      clearTimeout(timer);
      return end;
    },
  };
}

/** Resolves when somebody accepts connections there. Rejects after `timeoutMs`, or when `gone` resolves first. */
export async function untilListening(
  address: string,
  port: number,
  timeoutMs: number,
  gone: Promise<AppEnd>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let end: AppEnd | null = null;
  void gone.then((how) => {
    end = how;
  });
  while (!(await accepts(address, port))) {
    if (end !== null) {
      const { how, exitCode } = end as AppEnd;
      throw new CliError(`the application ended before it listened (${how})`, exitCode);
    }
    if (performance.now() > deadline) {
      throw new CliError(
        `the application does not listen on ${hostPort(address, port)} after ${timeoutMs / 1000} s; it is told to by $PORT and $HOST`,
      );
    }
    await delay(POLL_MS);
  }
}

export function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.setTimeout(1_000, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

function send(child: ChildProcess, pid: number, signal: NodeJS.Signals): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It went in this very moment.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): AppEnd {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], how: signal };
  return { exitCode: code ?? 1, how: `exit code ${code}` };
}
