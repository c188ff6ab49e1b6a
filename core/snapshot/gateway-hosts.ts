// Virtual hosts of gateways: the Gateway servers that this proxy carries, and which VirtualServices have routes for which of their
// hosts. What a rule or a Gateway changes is known by port and domain.

import { endsTls } from '../config/ends-tls.ts';
import { boundHost, hostCovers, plainHost } from '../config/hosts.ts';
import type { GatewaySpec } from '../config/kinds/gateway.ts';
import type { Resource } from '../config/resource.ts';
import { GRPC_WEB } from '../config/schemas/port-protocol.ts';
import { hostPort } from '../host-port.ts';
import { exactly } from '../router/exactly.ts';
import { unmatchedRoute } from '../router/plain-route.ts';
import type { Route } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { redirectOf } from './changes.ts';
import { type CompiledHosts, type HostCompiler, NO_HOSTS, routesOf } from './outbound-hosts.ts';
import { RoutePart } from './route-parts.ts';
import { hasLabels, speaksHttp } from './services.ts';
import { insertByRank, removeByRank } from './sorted-list.ts';
import { serverPlace, TlsServers } from './tls-servers.ts';
import type { Rule, VirtualServices } from './virtual-services.ts';

/** One server of a Gateway. */
interface Server {
  readonly rank: string;
  /** As the keys of servers begin that end TLS. */
  readonly place: string;
  /** 'namespace/name' of its Gateway, and the namespace. */
  readonly gateway: string;
  readonly owner: string;
  readonly port: number;
  readonly hosts: readonly string[];
  readonly redirects: boolean;
  /** Browsers call gRPC at its port. */
  readonly grpcWeb: boolean;
}

/** Who has routes for a domain; a rule of null: all requests of the server are sent to https, whichever rules name it. */
interface Contribution {
  readonly rank: string;
  readonly server: Server;
  readonly rule: Rule | null;
}

export class GatewayHosts {
  /** Which of them end TLS. */
  readonly tls: TlsServers;
  private readonly node: Node;
  private readonly rules: VirtualServices;
  /** Of this port and domain the routes are others. */
  private readonly changed: (port: number, domain: string) => void;
  private readonly servers = new Map<string, readonly Server[]>();
  /** By port and domain, in the order in which routes are tried. */
  private readonly ports = new Map<number, Map<string, Contribution[]>>();
  private readonly serversAt = new Map<number, number>();

  constructor(node: Node, rules: VirtualServices, changed: (port: number, domain: string) => void) {
    this.node = node;
    this.tls = new TlsServers(node);
    this.rules = rules;
    this.changed = changed;
  }

  /** The ports that servers name. */
  get open(): Iterable<number> {
    return this.serversAt.keys();
  }

  isOpen(port: number): boolean {
    return this.serversAt.has(port);
  }

  *domainsAt(port: number): Iterable<string> {
    yield* this.ports.get(port)?.keys() ?? [];
  }

  *replaceGateway(before: Resource<GatewaySpec> | null, after: Resource<GatewaySpec> | null): Iterable<void> {
    const secured = this.tls.replace(before, after);
    if (before !== null) {
      for (const server of this.servers.get(nameOf(before)) ?? []) {
        for (const rule of this.rules.of(server.gateway)) {
          this.withdraw(server, rule);
          yield;
        }
        this.withdraw(server, null);
        this.count(server.port, -1);
      }
      this.servers.delete(nameOf(before));
    }
    yield* this.replaceServers(after);
    // Which server a name is of, and so its routes, depends on all of them.
    for (const port of secured) {
      for (const domain of this.domainsAt(port)) this.changed(port, domain);
      yield;
    }
  }

  private *replaceServers(after: Resource<GatewaySpec> | null): Iterable<void> {
    if (after === null || !hasLabels(this.node.labels, after.spec.selector ?? {})) return;
    const servers = serversOf(after);
    this.servers.set(nameOf(after), servers);
    for (const server of servers) {
      this.count(server.port, 1);
      if (server.redirects) this.contribute(server, null);
      for (const rule of server.redirects ? [] : this.rules.of(server.gateway)) {
        this.contribute(server, rule);
        yield;
      }
    }
  }

  replaceRule(before: Rule | null, after: Rule | null): void {
    for (const server of this.serversOf(before)) this.withdraw(server, before);
    for (const server of this.serversOf(after)) if (!server.redirects) this.contribute(server, after);
  }

  /** The routes of a rule are others. */
  ruleChanged(rule: Rule): void {
    for (const server of this.serversOf(rule)) {
      for (const domain of domainsOf(server, rule)) this.changed(server.port, domain);
    }
  }

  compile(port: number, domain: string, compiler: HostCompiler): CompiledHosts {
    const contributions = this.contributionsAt(port, domain);
    if (contributions.length === 0) return NO_HOSTS;
    const chains = compiler.chains.at(port);
    const parts: RoutePart[] = [];
    if (contributions.some(({ rule }) => rule === null)) parts.push(new RoutePart([httpsRedirect(compiler, port)]));
    for (const { server, rule } of contributions) {
      if (rule !== null) parts.push(compiler.routesOf(rule, server.gateway, port));
    }
    const routes = routesOf(parts);
    const unrouted = routes.some(asksClaims) ? unmatchedRoute(chains.route(null)) : null;
    const name = hostPort(domain, port);
    const grpcWeb = contributions.some(({ server }) => server.grpcWeb);
    const host = { name, domains: [domain], service: '', port: 0, asNamed: false, grpcWeb, unrouted, routes };
    return { hosts: [{ rank: domain, host }], parts: exactly(parts) };
  }

  /** Where TLS ends, of the server that is for the name alone: no client is to pass what another one asks of clients. */
  private contributionsAt(port: number, domain: string): readonly Contribution[] {
    const all = this.ports.get(port)?.get(domain) ?? [];
    const secured = this.tls.ports.get(port);
    if (secured === undefined) return all;
    const key = secured.names.find(domain)?.key;
    return key === undefined ? [] : all.filter(({ server }) => key.startsWith(`${server.place} `));
  }

  private serversOf(rule: Rule | null): Server[] {
    return (rule?.gateways ?? []).flatMap((gateway) => this.servers.get(gateway) ?? []);
  }

  private contribute(server: Server, rule: Rule | null): void {
    for (const domain of domainsOf(server, rule)) {
      const domains = this.ports.get(server.port) ?? new Map<string, Contribution[]>();
      this.ports.set(server.port, domains);
      const contribution = { rank: rankOf(server, rule), server, rule };
      const known = domains.get(domain);
      if (known === undefined) domains.set(domain, [contribution]);
      else insertByRank(known, contribution);
      this.changed(server.port, domain);
    }
  }

  private withdraw(server: Server, rule: Rule | null): void {
    for (const domain of domainsOf(server, rule)) {
      const domains = this.ports.get(server.port);
      const known = domains?.get(domain);
      if (domains === undefined || known === undefined) continue;
      removeByRank(known, rankOf(server, rule));
      if (known.length === 0) domains.delete(domain);
      if (domains.size === 0) this.ports.delete(server.port);
      this.changed(server.port, domain);
    }
  }

  private count(port: number, by: number): void {
    const count = (this.serversAt.get(port) ?? 0) + by;
    if (count === 0) this.serversAt.delete(port);
    else this.serversAt.set(port, count);
  }
}

function nameOf({ metadata }: Resource): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function serversOf(gateway: Resource<GatewaySpec>): Server[] {
  const name = nameOf(gateway);
  return (gateway.spec.servers ?? []).flatMap((server, index) => {
    const { port, hosts, tls } = server;
    if (!speaksHttp(port.protocol) && !endsTls(server)) return [];
    const rank = `${name} ${String(index).padStart(5, '0')}`;
    const redirects = tls?.httpsRedirect === true;
    const place = serverPlace(name, index);
    const grpcWeb = port.protocol.toUpperCase() === GRPC_WEB;
    const owner = gateway.metadata.namespace;
    return { rank, place, gateway: name, owner, port: port.number, hosts, redirects, grpcWeb };
  });
}

/** By Gateway and server, then by rule; a redirect is before all. */
function rankOf(server: Server, rule: Rule | null): string {
  return rule === null ? ` ${server.rank}` : `${server.rank} ${rule.rank}`;
}

/** The domains that a rule has routes for at a server: hosts that both name, the narrower of the two where one is a wildcard. */
function domainsOf({ hosts, owner }: Server, rule: Rule | null): Set<string> {
  if (rule === null) return new Set(hosts.map((host) => plainHost(host.slice(host.indexOf('/') + 1))));
  const shared = new Set<string>();
  const { spec, metadata } = rule.resource;
  for (const server of hosts) {
    const host = boundHost(server, owner, metadata.namespace);
    if (host === null) continue;
    for (const named of (spec.hosts ?? []).map(plainHost)) {
      if (hostCovers(host, named)) shared.add(named);
      else if (hostCovers(named, host)) shared.add(host);
    }
  }
  return shared;
}

/** All requests of a server are sent to https. */
function httpsRedirect({ chains }: HostCompiler, port: number): Route {
  return {
    name: 'https_redirect',
    origin: '',
    matches: [],
    responseChanges: null,
    chain: chains.at(port).route(null),
    action: redirectOf({ scheme: 'https' }),
  };
}

function asksClaims({ matches }: Route): boolean {
  return matches.some((matcher) => matcher.asksClaims);
}
