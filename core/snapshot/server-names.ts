// Which of several is for the name that a client asks for: exactly, else by the longest wildcard, else the one for every name. The
// first of those with one name.

export class ServerNames<Server> {
  private readonly exact = new Map<string, Server>();
  private readonly wildcards: { readonly suffix: string; readonly server: Server }[] = [];
  private everything: Server | null = null;

  /** Names in lower case: 'a.example', '*.example', '*'. */
  constructor(servers: Iterable<readonly [name: string, server: Server]>) {
    for (const [name, server] of servers) {
      const suffix = name.slice(1);
      if (name === '*') this.everything ??= server;
      else if (!name.startsWith('*')) {
        if (!this.exact.has(name)) this.exact.set(name, server);
      } else if (!this.wildcards.some((known) => known.suffix === suffix)) this.wildcards.push({ suffix, server });
    }
    this.wildcards.sort((a, b) => b.suffix.length - a.suffix.length);
  }

  /** `name`: in lower case; '' = none was named, which only the one for every name takes. */
  find(name: string): Server | null {
    const exact = this.exact.get(name);
    if (exact !== undefined) return exact;
    for (const { suffix, server } of this.wildcards) {
      if (name.length > suffix.length && name.endsWith(suffix)) return server;
    }
    return this.everything;
  }
}
