// Where the names lead that clients of TLS ask for: a name as it is written before a wildcard, and the longest of several.

import type { ServerNames, TcpService } from './service.ts';

export class NamedServices implements ServerNames {
  readonly entries: ServerNames['entries'];
  private readonly exact = new Map<string, TcpService>();
  /** By what follows the star, the longest first. */
  private readonly suffixes: readonly (readonly [suffix: string, service: TcpService])[];

  /** `services`: by name, '*.example.com' or '*', in lower case. */
  constructor(services: ReadonlyMap<string, TcpService>) {
    this.entries = [...services];
    const suffixes: [string, TcpService][] = [];
    for (const [name, service] of services) {
      if (name.startsWith('*')) suffixes.push([name.slice(1), service]);
      else this.exact.set(name, service);
    }
    this.suffixes = suffixes.sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1));
  }

  find(serverName: string): TcpService | null {
    const known = this.exact.get(serverName);
    if (known !== undefined) return known;
    return this.suffixes.find(([suffix]) => serverName.endsWith(suffix))?.[1] ?? null;
  }
}
