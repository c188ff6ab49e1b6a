// Runs `mesh` in the process of the test: for commands of which the words, the exit code and what they change are tested. What is
// about the program itself, its signals, its streams or its start, mesh.ts runs as users do, for a quarter of a second of CPU more.
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { done } from '../../cli/exit.ts';
import { main } from '../../cli/program.ts';
import type { Outcome } from './mesh.ts';

export interface Typed {
  readonly home?: string;
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One after the other: each has the process for itself. */
let last: Promise<unknown> = Promise.resolve();

/** Runs a command to its end. Not for those that run until they are stopped. */
export function mesh(args: readonly string[], options: Typed = {}): Promise<Outcome> {
  const outcome = last.then(() => run(args, options));
  last = outcome.catch(() => null);
  return outcome;
}

async function run(args: readonly string[], { home, input = '', cwd, env }: Typed): Promise<Outcome> {
  const [stdin, stdout, stderr] = [Readable.from([input]), new PassThrough(), new PassThrough()];
  const words = [text(stdout), text(stderr)];
  const before = { cwd: process.cwd(), env: { ...process.env }, exitCode: process.exitCode };
  const { stdin: ownStdin, stdout: ownStdout, stderr: ownStderr } = Object.getOwnPropertyDescriptors(process);
  Object.assign(process.env, { NO_COLOR: '1' }, home === undefined ? {} : { MESH_HOME: home }, env);
  delete process.env.FORCE_COLOR;
  process.exitCode = 0;
  done.change = false;
  Object.defineProperties(process, {
    stdin: { value: stdin, configurable: true },
    stdout: { value: stdout, configurable: true },
    stderr: { value: stderr, configurable: true },
  });
  let code = 0;
  try {
    if (cwd !== undefined) process.chdir(cwd);
    await main(args);
  } finally {
    code = Number(process.exitCode);
    Object.defineProperties(process, { stdin: ownStdin, stdout: ownStdout, stderr: ownStderr });
    process.chdir(before.cwd);
    for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
    Object.assign(process.env, before.env);
    process.exitCode = before.exitCode;
    stdout.end();
    stderr.end();
  }
  const [out, err] = await Promise.all(words);
  return { code, signal: null, out, err };
}
