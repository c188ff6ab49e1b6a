// The steps of a change as they happen, on standard error, and what ends one as the error of a command.
import { CommitFailed, type Fault, PluginError, type Step, StepFailed } from '../../plugins/step.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, paint } from '../output.ts';

const CODES: Readonly<Record<Fault, number>> = {
  usage: EXIT.usage,
  missing: EXIT.failure,
  failed: EXIT.failure,
  refused: EXIT.refused,
  timeout: EXIT.timeout,
  unreachable: EXIT.unreachable,
  conflict: EXIT.conflict,
};

/** '  verify    integrity, signature of the registry' */
export function tell(step: Step, what: string): void {
  note(`  ${paint('green', step.padEnd(8), process.stderr)} ${what}`);
}

/** Runs `work`; what it throws names its step, and says what has become of it. */
export async function inSteps<T>(work: () => Promise<T>, otherwise = 'nothing was installed'): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    const step = error instanceof StepFailed ? `${error.step}: ` : '';
    const rest = error instanceof StepFailed && !(error instanceof CommitFailed) ? `; ${otherwise}` : '';
    throw new CliError(`${step}${error.message}${rest}`, CODES[error.fault], error.problems);
  }
}
