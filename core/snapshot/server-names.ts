// Which of several is for the name that a client asks for: exactly, else by the longest wildcard, else the one for every name. The
// first of those with one name.

export class ServerNames<Named> {
  /** All of them, for who wants to see them. */
  readonly entries: readonly (readonly [name: string, named: Named])[];
  private readonly exact = new Map<string, Named>();
  private readonly wildcards: { readonly suffix: string; readonly named: Named }[] = [];
  private everything: Named | null = null;

  /** Names in lower case: 'a.example', '*.example', '*'. */
  constructor(all: Iterable<readonly [name: string, named: Named]>) {
    this.entries = [...all];
    for (const [name, named] of this.entries) {
      const suffix = name.slice(1);
      if (name === '*') this.everything ??= named;
      else if (!name.startsWith('*')) {
        if (!this.exact.has(name)) this.exact.set(name, named);
      } else if (!this.wildcards.some((known) => known.suffix === suffix)) this.wildcards.push({ suffix, named });
    }
    this.wildcards.sort((a, b) => b.suffix.length - a.suffix.length);
  }

  /** `name`: in lower case; '' = none was named, which only the one for every name takes. */
  find(name: string): Named | null {
    const exact = this.exact.get(name);
    if (exact !== undefined) return exact;
    for (const { suffix, named } of this.wildcards) {
      if (name.length > suffix.length && name.endsWith(suffix)) return named;
    }
    return this.everything;
  }
}
