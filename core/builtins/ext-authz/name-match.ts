// Which header names a list means: exact, prefix* or *suffix, in any case.

/** Of a name in lower case. */
export type NameMatch = (name: string) => boolean;

export function nameMatch(patterns: readonly string[]): NameMatch {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  for (const pattern of patterns.map((each) => each.toLowerCase())) {
    if (pattern.endsWith('*')) prefixes.push(pattern.slice(0, -1));
    else if (pattern.startsWith('*')) suffixes.push(pattern.slice(1));
    else exact.add(pattern);
  }
  return (name) =>
    exact.has(name) ||
    prefixes.some((prefix) => name.startsWith(prefix)) ||
    suffixes.some((suffix) => name.endsWith(suffix));
}
