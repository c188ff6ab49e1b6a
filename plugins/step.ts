// The steps from a plugin's name to its filter on every proxy, and the error that says at which of them it ended.

export type Step = 'resolve' | 'fetch' | 'verify' | 'check' | 'allow' | 'canary' | 'store' | 'lock' | 'apply' | 'wait';

/**
 * usage: the command line asks for something impossible. missing: there is no such plugin, for sure. refused: it is there and
 * must not run. unreachable: whoever has it does not answer, so that nothing is known.
 */
export type Fault = 'usage' | 'missing' | 'refused' | 'unreachable';

/** One line; whoever prints it names the step in front. */
export class StepFailed extends Error {
  readonly step: Step;
  readonly fault: Fault;

  constructor(step: Step, fault: Fault, message: string) {
    super(message.replace(/\s*\n\s*/g, ' ').slice(0, 2_000));
    this.step = step;
    this.fault = fault;
  }
}
