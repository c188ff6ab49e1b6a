// What the comparison found, as lines.

import type { Subject } from './subjects.ts';

export interface Difference {
  readonly of: string;
  /** Why it is to be so; null: it is not. */
  readonly asMeant: string | null;
  readonly envoy: readonly string[];
  readonly weft: readonly string[];
}

/** Null: nothing to tell. `differs`: why there is to be a difference. */
export function difference(
  of: string,
  inEnvoy: readonly string[],
  inWeft: readonly string[],
  differs?: string,
): Difference | null {
  const same = JSON.stringify(inEnvoy) === JSON.stringify(inWeft);
  if (same && differs === undefined) return null;
  return {
    of: same ? `${of}: no difference, where there was to be one (${differs})` : of,
    asMeant: same ? null : (differs ?? null),
    envoy: inEnvoy.filter((line) => !inWeft.includes(line)),
    weft: inWeft.filter((line) => !inEnvoy.includes(line)),
  };
}

export function report({ name, cases }: Subject, found: readonly Difference[]): string {
  const same = found.every(({ asMeant }) => asMeant !== null) ? 'the same effects' : 'not the same effects';
  const lines = [`${name}: ${cases.length} requests, ${same}`];
  for (const { of, asMeant, envoy, weft } of found) {
    lines.push(`  ${of}${asMeant === null ? '' : `, as meant: ${asMeant}`}`);
    lines.push(...envoy.map((line) => `    envoy  ${line}`), ...weft.map((line) => `    weft   ${line}`));
    if (envoy.length === 0 && weft.length === 0) lines.push('    the same lines, in another order or number');
  }
  return lines.join('\n');
}
