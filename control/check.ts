// What is wrong with a whole state: the same for a change that is made, for one that is only tried, and for files that are
// judged where no mesh is.
import { type DecodedText, placeProblems } from '../core/config/decode.ts';
import { findKind } from '../core/config/kind-names.ts';
import { isError } from '../core/config/problem.ts';
import type { Problem, Resource } from '../core/config/resource.ts';
import { crossCheck } from '../core/config/validate.ts';
import { ApiError } from './api-error.ts';

/** Texts as they were decoded. */
export type Decoded = Pick<DecodedText, 'problems' | 'origins'> & { readonly resources: readonly Resource[] };

export interface CheckParts {
  /** Full names of hosts that workloads registered by themselves. */
  readonly hosts: Iterable<string>;
  /** A dry run of the real compile. */
  compile(resources: ReadonlyMap<string, Resource>): readonly Problem[];
}

const MAX_PROBLEMS = 1_000;

/** The warnings, with their places in the texts that led to the state. Throws ApiError 422 with all problems. */
export function checkState(state: ReadonlyMap<string, Resource>, decoded: Decoded, parts: CheckParts): Problem[] {
  const found = placeProblems(crossCheck(state, { hosts: parts.hosts }), decoded);
  const broken = decoded.problems.some(isError);
  // What could not be decoded is missing from the state, which is no news about the rest.
  const problems = [...decoded.problems, ...(broken ? found.filter(isError) : found)];
  refuse(problems);
  problems.push(...placeProblems(parts.compile(state), decoded));
  refuse(problems);
  return problems;
}

/** What this version knows of a state, and a warning of what another one wrote into it. */
export function knownOf(state: ReadonlyMap<string, unknown>): { state: Map<string, Resource>; problems: Problem[] } {
  const known = new Map<string, Resource>();
  const unknown: string[] = [];
  for (const [key, body] of state) {
    const resource = body as Resource;
    if (findKind(resource.apiVersion, resource.kind) === null) unknown.push(key);
    else known.set(key, resource);
  }
  if (unknown.length === 0) return { state: known, problems: [] };
  const first = unknown.slice(0, 3).join(', ');
  const what = unknown.length === 1 ? 'a resource' : `${unknown.length} resources`;
  const message = `${what} of kinds that this version does not know stay as they are and are not checked: ${first}`;
  return { state: known, problems: [{ severity: 'warning', code: 'kind', message }] };
}

/** Throws ApiError 422 with all problems when one is an error. */
export function refuse(problems: readonly Problem[]): void {
  const errors = problems.filter(isError).length;
  if (errors === 0) return;
  const what = errors === 1 ? '1 error' : `${errors} errors`;
  throw new ApiError(422, `${what} in the configuration: nothing was changed`, problems.slice(0, MAX_PROBLEMS));
}

/** The code of a module whose source does not answer: nothing is known of it, and later it may be there. */
export const MODULE_UNREACHABLE = 'module_unreachable';

/** As `refuse`; where all that is wrong is that nobody answers, ApiError 502. */
export function refuseModules(problems: readonly Problem[]): void {
  const errors = problems.filter(isError);
  if (errors.some(({ code }) => code !== MODULE_UNREACHABLE)) refuse(problems);
  if (errors.length === 0) return;
  const what = errors.length === 1 ? 'a module cannot' : `${errors.length} modules cannot`;
  throw new ApiError(502, `${what} be fetched now: nothing was changed`, problems.slice(0, MAX_PROBLEMS));
}
