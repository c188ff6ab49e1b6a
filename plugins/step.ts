// The steps from a plugin's name to its filter on every proxy, and the errors that end a change of one.
import type { Problem } from '../core/config/resource.ts';

export type Step = 'resolve' | 'fetch' | 'verify' | 'check' | 'allow' | 'trial' | 'store' | 'lock' | 'apply' | 'wait';

/**
 * usage: something impossible is asked for. missing: there is no such plugin, for sure. refused: it is there and must not run.
 * unreachable: whoever has it does not answer, so that nothing is known. timeout: not every proxy answered in time. conflict:
 * somebody else changed it first. failed: anything else that a control plane answers.
 */
export type Fault = 'usage' | 'missing' | 'refused' | 'unreachable' | 'timeout' | 'conflict' | 'failed';

/** Told to whoever asked for the change. Everything else that is thrown is a bug. */
export class PluginError extends Error {
  readonly fault: Fault;
  /** Of configuration, with their places. */
  readonly problems: readonly Problem[];

  constructor(fault: Fault, message: string, problems: readonly Problem[] = []) {
    super(message);
    this.fault = fault;
    this.problems = problems;
  }
}

/** One line; whoever prints it names the step in front. Nothing has been changed. */
export class StepFailed extends PluginError {
  readonly step: Step;

  constructor(step: Step, fault: Fault, message: string, problems: readonly Problem[] = []) {
    super(fault, message.replace(/\s*\n\s*/g, ' ').slice(0, 2_000), problems);
    this.step = step;
  }
}

/** At apply or wait, when something may have been written: its message says what has become of the mesh. */
export class CommitFailed extends StepFailed {}
