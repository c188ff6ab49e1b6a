// From an authority to a virtual host, of those that have its port: exact names first, then the longest wildcard, then '*'.
// Built per snapshot, read per request; a connection remembers its last answer, as clients rarely change their authority.

import type { VirtualHost } from './route.ts';

export class HostTable {
  private readonly exact = new Map<string, PortTable>();
  private readonly wildcards: { suffix: string; ports: PortTable }[] = [];
  private everything: PortTable | null = null;
  readonly virtualHosts: readonly VirtualHost[];
  private readonly defaultPort: number;

  /** `defaultPort`: what an authority without a port means (80, or a gateway's own). */
  constructor(virtualHosts: readonly VirtualHost[], defaultPort: number) {
    this.virtualHosts = virtualHosts;
    this.defaultPort = defaultPort;
    for (const host of virtualHosts) for (const domain of host.domains) this.table(domain.toLowerCase()).add(host);
    this.wildcards.sort((a, b) => b.suffix.length - a.suffix.length);
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

  /** Of the longest wildcard that has this port. */
  private covering(host: string, port: number): VirtualHost | null {
    for (const { suffix, ports } of this.wildcards) {
      if (host.length <= suffix.length || !host.endsWith(suffix)) continue;
      const found = ports.at(port);
      if (found !== null) return found;
    }
    return this.everything?.at(port) ?? null;
  }

  private only(host: string): VirtualHost | null {
    for (const { suffix, ports } of this.wildcards) {
      if (host.length > suffix.length && host.endsWith(suffix) && ports.only !== null) return ports.only;
    }
    return this.everything?.only ?? null;
  }

  private table(domain: string): PortTable {
    if (domain === '*') {
      this.everything ??= new PortTable();
      return this.everything;
    }
    if (domain.startsWith('*')) {
      const suffix = domain.slice(1);
      let entry = this.wildcards.find((wildcard) => wildcard.suffix === suffix);
      if (entry === undefined) {
        entry = { suffix, ports: new PortTable() };
        this.wildcards.push(entry);
      }
      return entry.ports;
    }
    let table = this.exact.get(domain);
    if (table === undefined) {
      table = new PortTable();
      this.exact.set(domain, table);
    }
    return table;
  }
}

/** The virtual hosts of one name, by port; port 0 stands for every port. */
class PortTable {
  private readonly ports = new Map<number, VirtualHost>();

  add(host: VirtualHost): void {
    if (!this.ports.has(host.port)) this.ports.set(host.port, host);
  }

  at(port: number): VirtualHost | null {
    return this.ports.get(port) ?? this.ports.get(0) ?? null;
  }

  /** Null: it has several ports, or none. */
  get only(): VirtualHost | null {
    return this.ports.size === 1 ? (this.ports.values().next().value ?? null) : null;
  }
}

/** Lower-case host without brackets' loss, and port or 0. '[::1]:80' keeps its brackets in `host`. */
export function splitAuthority(authority: string): { host: string; port: number } {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return { host: authority.toLowerCase(), port: 0 };
  return { host: authority.slice(0, colon).toLowerCase(), port: Number(authority.slice(colon + 1)) || 0 };
}
