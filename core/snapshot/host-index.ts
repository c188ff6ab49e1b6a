// What rules say of hosts, found as Istio finds it: what stands under a host's own name, else under the longest pattern that
// covers it.

import { hostCovers } from '../config/hosts.ts';

export class HostIndex<Item> {
  private readonly exact = new Map<string, Item[]>();
  /** The longest first. */
  private readonly patterns: { readonly pattern: string; readonly items: Item[] }[] = [];

  /** `host`: a full name or a pattern, in lower case. */
  add(host: string, item: Item): void {
    const known = this.at(host);
    if (known !== null) {
      known.push(item);
    } else if (host.startsWith('*')) {
      const after = this.patterns.findIndex(({ pattern }) => pattern.length < host.length);
      this.patterns.splice(after < 0 ? this.patterns.length : after, 0, { pattern: host, items: [item] });
    } else {
      this.exact.set(host, [item]);
    }
  }

  /** `host` may be a pattern itself: that of a service. */
  find(host: string): readonly Item[] {
    return this.at(host) ?? this.patterns.find(({ pattern }) => hostCovers(pattern, host))?.items ?? [];
  }

  *[Symbol.iterator](): Iterator<readonly [string, readonly Item[]]> {
    yield* this.exact;
    for (const { pattern, items } of this.patterns) yield [pattern, items];
  }

  private at(host: string): Item[] | null {
    if (!host.startsWith('*')) return this.exact.get(host) ?? null;
    return this.patterns.find(({ pattern }) => pattern === host)?.items ?? null;
  }
}
