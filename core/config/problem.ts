// Problems as people read them: one line each, where and why.

import { type Problem, resourceKey } from './resource.ts';
import { type Finding, pointer } from './walk.ts';

/** 'reviews.yaml:7:15: error: unknown field "destnation", did you mean "destination"? (/spec/http/0/route/0/destnation)'. */
export function formatProblem(problem: Problem): string {
  let place = problem.file ?? '';
  if (problem.line !== undefined) place += `${place === '' ? 'line ' : ':'}${problem.line}:${problem.column ?? 1}`;
  const who = place === '' && problem.resource !== undefined ? problem.resource : place;
  const code = problem.code.startsWith('IST') ? ` [${problem.code}]` : '';
  const path = problem.pointer === undefined || problem.pointer === '' ? '' : ` (${problem.pointer})`;
  return `${who === '' ? '' : `${who}: `}${problem.severity}${code}: ${problem.message}${path}`.replace(
    UNPRINTABLE,
    ' ',
  );
}

export function isError(problem: Problem): boolean {
  return problem.severity === 'error';
}

/** A finding as a problem of a resource, if it is known which. */
export function problemOf(
  finding: Finding,
  resource: Parameters<typeof resourceKey>[0] | null,
  place: { file?: string; line?: number; column?: number } = {},
): Problem {
  return {
    severity: finding.severity,
    code: finding.code,
    message: oneLine(finding.message),
    ...(resource !== null && { resource: resourceKey(resource) }),
    pointer: pointer(finding.path),
    ...place,
  };
}

/** What a terminal can show on one line, at most 600 characters of it. */
export function oneLine(text: string): string {
  const line = text.slice(0, 1000).replace(UNPRINTABLE, ' ').trim();
  return line.length > 600 ? `${line.slice(0, 600)}...` : line;
}

/** What a terminal would act on, and what would make two lines of one. */
const UNPRINTABLE = /[\s\p{Cc}]+/gu;
