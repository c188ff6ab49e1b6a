// What rules say of hosts, found as Istio finds it: what stands under a host's own name, else under the longest pattern that
// covers it.

export class HostIndex<Item> {
  private readonly exact = new Map<string, Item[]>();
  private readonly patterns = new Map<string, Item[]>();

  /** `host`: a full name or a pattern, in lower case. */
  add(host: string, item: Item): void {
    const hosts = host.startsWith('*') ? this.patterns : this.exact;
    const known = hosts.get(host);
    if (known === undefined) hosts.set(host, [item]);
    else known.push(item);
  }

  /** `host` may be a pattern itself: that of a service. */
  find(host: string): readonly Item[] {
    const own = this.exact.get(host) ?? this.patterns.get(host);
    if (own !== undefined) return own;
    if (this.patterns.size === 0) return [];
    // A wildcard stands for at least one character: the first that is found is the longest.
    const name = host.startsWith('*') ? host.slice(1) : host;
    for (let i = 1; i <= name.length; i++) {
      const found = this.patterns.get(`*${name.slice(i)}`);
      if (found !== undefined) return found;
    }
    return [];
  }

  *[Symbol.iterator](): Iterator<readonly [string, readonly Item[]]> {
    yield* this.exact;
    yield* this.patterns;
  }
}
