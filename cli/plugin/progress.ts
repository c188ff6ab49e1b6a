// The steps of an installation as they happen, on standard error, and what ends one as the error of a command.
import { type Fault, type Step, StepFailed } from '../../plugins/step.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, paint } from '../output.ts';

const CODES: Readonly<Record<Fault, number>> = {
  usage: EXIT.usage,
  missing: EXIT.failure,
  refused: EXIT.refused,
  unreachable: EXIT.unreachable,
};

/** '  verify    integrity, signature of the registry' */
export function tell(step: Step, what: string): void {
  note(`  ${paint('green', step.padEnd(8), process.stderr)} ${what}`);
}

/** Runs `work`; what it throws names its step, and says that nothing was changed. */
export async function inSteps<T>(work: () => Promise<T>, otherwise = 'nothing was installed'): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    throw new CliError(`${error.step}: ${error.message}; ${otherwise}`, CODES[error.fault]);
  }
}
