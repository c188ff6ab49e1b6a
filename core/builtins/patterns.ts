// Regular expressions that a filter's configuration speaks of by number: compiled with the configuration, where no request
// waits for it, and asked for by the filter through its host.

import type { compileRegex } from '../config/regex.ts';

export type Pattern = ReturnType<typeof compileRegex>;

const attached = new WeakMap<Uint8Array, readonly Pattern[]>();

/** `configuration`: the very bytes that the filter, or the route, is given. */
export function attachPatterns(configuration: Uint8Array, patterns: readonly Pattern[]): void {
  if (patterns.length > 0) attached.set(configuration, patterns);
}

export function patternOf(configuration: Uint8Array, index: number): Pattern | undefined {
  return attached.get(configuration)?.[index];
}
