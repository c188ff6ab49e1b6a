// How a change is refused, with all that is wrong with it: the same for one that is made, for one that is only tried, and for
// files that are judged where no mesh is.
import type { Problem } from '../core/config/resource.ts';
import { ApiError } from './api-error.ts';

const MAX_PROBLEMS = 1_000;

/** Throws ApiError 422 with all problems when one is an error. */
export function refuse(problems: readonly Problem[]): void {
  const errors = errorsIn(problems).length;
  if (errors === 0) return;
  const what = errors === 1 ? '1 error' : `${errors} errors`;
  throw new ApiError(422, `${what} in the configuration: nothing was changed`, problems.slice(0, MAX_PROBLEMS));
}

/** The code of a module whose source does not answer: nothing is known of it, and later it may be there. */
export const MODULE_UNREACHABLE = 'module_unreachable';

/** As `refuse`; where all that is wrong is that nobody answers, ApiError 502. */
export function refuseModules(problems: readonly Problem[]): void {
  const errors = errorsIn(problems);
  if (errors.some(({ code }) => code !== MODULE_UNREACHABLE)) refuse(problems);
  if (errors.length === 0) return;
  const what = errors.length === 1 ? 'a module cannot' : `${errors.length} modules cannot`;
  throw new ApiError(502, `${what} be fetched now: nothing was changed`, problems.slice(0, MAX_PROBLEMS));
}

function errorsIn(problems: readonly Problem[]): Problem[] {
  return problems.filter(({ severity }) => severity === 'error');
}
