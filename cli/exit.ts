// How `mesh` ends: its exit codes, and the error that carries one. Whatever else is thrown is a bug and ends with 1.
import type { Problem } from '../core/config/resource.ts';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  /** The configuration was refused, by the control plane or by a proxy; nothing or not everything runs it. */
  refused: 3,
  /** `--wait`: not every proxy answered in time. */
  timeout: 4,
  /** The control plane, a proxy's admin or the source of a module does not answer. */
  unreachable: 5,
  /** Somebody else changed the configuration first. */
  conflict: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Printed as one line `mesh: message`, and its problems as a line each. */
export class CliError extends Error {
  /** One of EXIT, or the application's. */
  readonly exitCode: number;
  readonly problems: readonly Problem[];

  constructor(message: string, exitCode: number = EXIT.failure, problems: readonly Problem[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.problems = problems;
  }
}

/** What this run of `mesh` has done and stays done, whatever becomes of its output. */
export const done = { change: false };

export const EXIT_CODES_HELP = `
Exit codes:
  0  done                                   4  --wait: not every proxy answered in time
  1  failed                                 5  control plane, proxy or source of a module not reachable
  2  wrong usage                            6  somebody else changed the configuration first
  3  the configuration was refused
`;
