// Regular expressions of the configuration: RE2, so that none can be made to run for seconds. The engine is loaded when
// the first expression is met, for most configurations have none.

import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

/** Compiled, for full matches. */
export type Pattern = Pick<RE2JS, 'matches'>;

const MAX_LENGTH = 4096;
/** Instructions. A match takes as long as these times the length of what is matched: with 500 a path of 7 KB 90 ms at worst. */
const MAX_PROGRAM = 500;

let engine: typeof RE2JS | null = null;

/** Compiles for full matches (`matches`) or searching. Throws with RE2's reason. */
export function compileRegex(source: string): RE2JS {
  engine ??= (createRequire(import.meta.url)('re2js') as { RE2JS: typeof RE2JS }).RE2JS;
  return engine.compile(source);
}

/** How many groups an expression has that a rewriting may refer to. */
export function groupsOf(source: string): number {
  return compileRegex(source).groupCount();
}

/** Why the text is no expression of RE2, or null. */
export function regexFault(source: string): string | null {
  if (source.length > MAX_LENGTH) return `the expression is longer than ${MAX_LENGTH} characters`;
  try {
    const size = compileRegex(source).programSize();
    return size <= MAX_PROGRAM
      ? null
      : `${clip(source)} is too large: a program of ${size} instructions, and at most ${MAX_PROGRAM} may run for each request`;
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
    return `${clip(source)} does not compile as RE2: ${reason.replace(/^error parsing regexp: /, '')}`;
  }
}

function clip(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
