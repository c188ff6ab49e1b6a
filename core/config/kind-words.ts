// What people type for a kind, for those who know what kinds are called and nothing more of them.

export interface KindWords {
  /** Among all kinds: see kindName. */
  readonly name: string;
  readonly kind: string;
  readonly group: string;
  readonly shortNames?: readonly string[];
}

/**
 * The kind that somebody means who types `VirtualService`, `virtualservices`, `vs` or, as kubectl has it where kinds share a
 * name, `virtualservices.networking.istio.io`. Null: none is called so.
 */
export function kindCalled(word: string, kinds: readonly KindWords[]): string | null {
  const typed = word.toLowerCase();
  const dot = typed.indexOf('.');
  const bare = dot < 0 ? typed : typed.slice(0, dot);
  const found = kinds.find(({ name, kind, group, shortNames = [] }) => {
    if (dot >= 0) return group === typed.slice(dot + 1) && isOneOrMany(bare, kind);
    return shortNames.includes(typed) || isOneOrMany(typed, name);
  });
  return found?.name ?? null;
}

/** `typed` in lower case. */
function isOneOrMany(typed: string, kind: string): boolean {
  const one = kind.toLowerCase();
  if (/[^aeiou]y$/.test(one)) return typed === one || typed === `${one.slice(0, -1)}ies`;
  return typed === one || typed === `${one}${/(?:s|x|ch)$/.test(one) ? 'es' : 's'}`;
}
