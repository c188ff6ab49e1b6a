// What rules say of hosts, found as Istio finds it: what stands under a host's own name, else under the longest pattern that
// covers it.

import { insertByRank, type Ranked, removeByRank } from './sorted-list.ts';

export class HostIndex<Item extends Ranked> {
  private readonly exact = new Map<string, Item[]>();
  private readonly patterns = new Map<string, Item[]>();

  /** `host`: a full name or a pattern, in lower case. */
  add(host: string, item: Item): void {
    const hosts = isPattern(host) ? this.patterns : this.exact;
    const known = hosts.get(host);
    if (known === undefined) hosts.set(host, [item]);
    else insertByRank(known, item);
  }

  remove(host: string, item: Item): void {
    const hosts = isPattern(host) ? this.patterns : this.exact;
    const known = hosts.get(host);
    if (known === undefined) return;
    removeByRank(known, item.rank);
    if (known.length === 0) hosts.delete(host);
  }

  /** What stands under this very name or pattern. */
  own(host: string): readonly Item[] {
    return this.exact.get(host) ?? this.patterns.get(host) ?? [];
  }

  /** `host` may be a pattern itself: that of a service. */
  find(host: string): readonly Item[] {
    const own = this.own(host);
    if (own.length > 0) return own;
    if (this.patterns.size === 0) return [];
    // A wildcard stands for at least one character: the first that is found is the longest.
    const name = isPattern(host) ? host.slice(1) : host;
    for (let i = 1; i <= name.length; i++) {
      const found = this.patterns.get(`*${name.slice(i)}`);
      if (found !== undefined) return found;
    }
    return [];
  }
}

export function isPattern(host: string): boolean {
  return host.startsWith('*');
}
