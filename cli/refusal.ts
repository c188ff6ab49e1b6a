// What the control plane refused, as an error with the right exit code.
import type { Problem } from '../core/config/resource.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';

const HOW_TO_LOG_IN = '`mesh login URL` takes another token into this MESH_HOME';

export interface Refusal {
  readonly error?: string;
  readonly message?: string;
  readonly problems?: Problem[];
}

export function refusal(status: number, body: Refusal): CliError {
  const codes: Readonly<Record<number, ExitCode>> = {
    400: EXIT.usage,
    409: EXIT.conflict,
    413: EXIT.refused,
    422: EXIT.refused,
    429: EXIT.unreachable,
    502: EXIT.unreachable,
    503: EXIT.unreachable,
  };
  const told = body.error ?? body.message ?? `the control plane answered ${status}`;
  // What to send is for who speaks HTTP.
  const plain = told.replace(/: send "Authorization.*/, '');
  const message = plain === told ? told : `${plain}; ${HOW_TO_LOG_IN}`;
  return new CliError(message, codes[status] ?? EXIT.failure, body.problems ?? []);
}
