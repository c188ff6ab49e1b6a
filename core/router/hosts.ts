// From an authority to a virtual host, of those that have its port: exact names first, then the longest wildcard, then '*'.
// One for each snapshot, of which the next one shares what did not change; read per request. A connection remembers its
// last answer, as clients rarely change their authority.

import { exactly } from './exactly.ts';
import type { VirtualHost } from './route.ts';
import { type Draft, VersionedMap } from './versioned-map.ts';

/** A virtual host, and which of two counts that have the same name and port: the one of the lower rank. */
export interface RankedHost {
  readonly host: VirtualHost;
  readonly rank: string;
}

interface Wildcard {
  readonly suffix: string;
  readonly named: SameName;
}

interface Tables {
  readonly exact: VersionedMap<SameName>;
  /** The longest first. */
  readonly wildcards: readonly Wildcard[];
  readonly everything: SameName | null;
}

export class HostTable {
  private readonly exact: VersionedMap<SameName>;
  private readonly wildcards: readonly Wildcard[];
  private readonly everything: SameName | null;
  private readonly defaultPort: number;

  /** Without hosts. `defaultPort`: what an authority without a port means (80, or a gateway's own). */
  constructor(defaultPort: number, tables: Tables = NONE) {
    this.defaultPort = defaultPort;
    this.exact = tables.exact;
    this.wildcards = tables.wildcards;
    this.everything = tables.everything;
  }

  /** All of them, by rank. Walks the whole table. */
  get virtualHosts(): readonly VirtualHost[] {
    const found = new Set<RankedHost>();
    for (const { hosts } of this.exact.values()) for (const ranked of hosts) found.add(ranked);
    for (const { named } of this.wildcards) for (const ranked of named.hosts) found.add(ranked);
    for (const ranked of this.everything?.hosts ?? []) found.add(ranked);
    return [...found].sort(byRank).map(({ host }) => host);
  }

  /** `authority`: 'host' or 'host:port', any case. Null: no virtual host. */
  find(authority: string): VirtualHost | null {
    const { host: given, port } = splitAuthority(authority);
    // 'a.example.' is the same name, said in full.
    const host = given.endsWith('.') ? given.slice(0, -1) : given;
    const wanted = port === 0 ? this.defaultPort : port;
    const exact = this.exact.get(host);
    const found = exact?.at(wanted) ?? this.covering(host, wanted);
    // An authority that names no port reaches a service's only port, whichever that is.
    return found === null && port === 0 ? (exact === undefined ? this.only(host) : exact.only) : found;
  }

  /** What becomes the table of the next snapshot. */
  edit(): HostTableDraft {
    const { exact, wildcards, everything } = this;
    return new HostTableDraft(this.defaultPort, { exact, wildcards, everything });
  }

  /** Of the longest wildcard that has this port. */
  private covering(host: string, port: number): VirtualHost | null {
    for (const { suffix, named } of this.wildcards) {
      if (host.length <= suffix.length || !host.endsWith(suffix)) continue;
      const found = named.at(port);
      if (found !== null) return found;
    }
    return this.everything?.at(port) ?? null;
  }

  private only(host: string): VirtualHost | null {
    for (const { suffix, named } of this.wildcards) {
      if (host.length > suffix.length && host.endsWith(suffix) && named.only !== null) return named.only;
    }
    return this.everything?.only ?? null;
  }
}

/** Changes of a table. It is not to be used once `done` was asked for. */
export class HostTableDraft {
  private readonly defaultPort: number;
  private readonly exact: Draft<SameName>;
  private wildcards: readonly Wildcard[];
  private everything: SameName | null;

  constructor(defaultPort: number, { exact, wildcards, everything }: Tables) {
    this.defaultPort = defaultPort;
    this.exact = exact.edit();
    this.wildcards = wildcards;
    this.everything = everything;
  }

  /** Puts the second in the place of the first. */
  replace(before: RankedHost | null, after: RankedHost | null): void {
    const gone = new Set(before?.host.domains.map((domain) => domain.toLowerCase()));
    // The names of one service mostly lead to the same hosts: they share what says so.
    let last: SameName | null = null;
    for (const name of new Set(after?.host.domains.map((domain) => domain.toLowerCase()))) {
      last = this.change(name, gone.delete(name) ? before : null, after, last);
    }
    for (const name of gone) this.change(name, before, null, null);
  }

  done(): HostTable {
    const { wildcards, everything } = this;
    return new HostTable(this.defaultPort, { exact: this.exact.done(), wildcards, everything });
  }

  private change(
    name: string,
    before: RankedHost | null,
    after: RankedHost | null,
    last: SameName | null,
  ): SameName | null {
    if (name === '*') {
      this.everything = changed(this.everything, before, after, null);
      return null;
    }
    if (name.startsWith('*')) {
      this.changeWildcard(name.slice(1), before, after);
      return null;
    }
    const now = changed(this.exact.get(name) ?? null, before, after, last);
    if (now === null) this.exact.delete(name);
    else this.exact.set(name, now);
    return now;
  }

  private changeWildcard(suffix: string, before: RankedHost | null, after: RankedHost | null): void {
    const known = this.wildcards.find((wildcard) => wildcard.suffix === suffix);
    const named = changed(known?.named ?? null, before, after, null);
    const others = this.wildcards.filter((wildcard) => wildcard !== known);
    if (named !== null) {
      const shorter = others.findIndex((other) => other.suffix.length < suffix.length);
      others.splice(shorter < 0 ? others.length : shorter, 0, { suffix, named });
    }
    this.wildcards = others;
  }
}

/** The virtual hosts of one name; port 0 stands for every port. */
class SameName {
  /** By rank. */
  readonly hosts: readonly RankedHost[];
  /** Null: it has several ports. */
  readonly only: VirtualHost | null;

  constructor(hosts: readonly RankedHost[]) {
    this.hosts = hosts;
    const [first] = hosts;
    this.only = hosts.every(({ host }) => host.port === first.host.port) ? first.host : null;
  }

  at(port: number): VirtualHost | null {
    const { hosts } = this;
    let any: VirtualHost | null = null;
    for (let i = 0; i < hosts.length; i++) {
      const { host } = hosts[i];
      if (host.port === port) return host;
      if (host.port === 0) any ??= host;
    }
    return any;
  }
}

/** Null: nobody has the name any more. `last`: what may be the same. */
function changed(
  named: SameName | null,
  before: RankedHost | null,
  after: RankedHost | null,
  last: SameName | null,
): SameName | null {
  const hosts = (named?.hosts ?? []).filter((ranked) => ranked !== before);
  if (after !== null) {
    const later = hosts.findIndex((ranked) => byRank(after, ranked) < 0);
    hosts.splice(later < 0 ? hosts.length : later, 0, after);
  }
  if (hosts.length === 0) return null;
  const same =
    last !== null && last.hosts.length === hosts.length && last.hosts.every((ranked, i) => ranked === hosts[i]);
  return same ? last : new SameName(exactly(hosts));
}

function byRank(a: RankedHost, b: RankedHost): number {
  return a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0;
}

const NONE: Tables = { exact: new VersionedMap(), wildcards: [], everything: null };

/** Lower-case host without brackets' loss, and port or 0. '[::1]:80' keeps its brackets in `host`. */
export function splitAuthority(authority: string): { host: string; port: number } {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return { host: authority.toLowerCase(), port: 0 };
  return { host: authority.slice(0, colon).toLowerCase(), port: Number(authority.slice(colon + 1)) || 0 };
}
