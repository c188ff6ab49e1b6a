// Where gateways lead who asks, in TLS of the mesh, for a port of a service by the name that sidecars have for it, without any rule: to the
// sidecars of that service, which end this TLS. Made anew for the services that a change concerns.

import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from '../cluster/cluster.ts';
import { boundHost, hostCovers } from '../config/hosts.ts';
import type { Steps } from '../steps.ts';
import type { TcpService } from '../tcp/service.ts';
import { serverNameOf } from './cluster-tls.ts';
import type { CompiledHosts } from './outbound-hosts.ts';
import { RoutePart } from './route-parts.ts';
import type { Service } from './services.ts';

/** A server of a Gateway that leads on by such names. */
export interface PassingServer {
  readonly port: number;
  readonly hosts: readonly string[];
  /** The namespace of its Gateway. */
  readonly owner: string;
}

export interface PassedTo {
  readonly services: { get(host: string): Service | undefined; values(): Iterable<Service> };
  /** What rules divide the service into. */
  subsetsOf(service: Service): Iterable<string>;
  /** Who of them ends TLS of the mesh, and is sent the bytes of the client's; null: there is no such port or subset. */
  passing(host: string, port: number, subset: string): Cluster | null;
}

export type NamedService = readonly [serverName: string, service: TcpService];

/** Of one service, by the gateway's port. */
interface Passed {
  readonly part: RoutePart;
  readonly ports: ReadonlyMap<number, readonly NamedService[]>;
}

export interface StagedNames {
  readonly before: CompiledHosts;
  readonly after: CompiledHosts;
  keep(): void;
}

export interface PassedNames {
  /** Null: all of it is as before. */
  readonly staged: StagedNames | null;
  at(port: number): Iterable<NamedService>;
}

const NOTHING: PassedNames = Object.freeze({ staged: null, at: () => [] });

/** What sidecars offer to speak in TLS of the mesh: who offers none of it is no sidecar, and asks for TLS of somebody else. */
const SPOKEN_BY_SIDECARS: readonly string[] = [
  ...['istio-peer-exchange', 'istio', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2', 'weft-multiplexed'],
];

export class AutoPassthrough {
  private readonly to: PassedTo;
  private servers: readonly PassingServer[] = [];
  private passed: ReadonlyMap<string, Passed> = new Map();

  constructor(to: PassedTo) {
    this.to = to;
  }

  /** `concerned`: hosts of services that are others, or are shaped otherwise. */
  *stage(servers: readonly PassingServer[], concerned: Iterable<string>): Steps<PassedNames> {
    if (servers.length === 0 && this.servers.length === 0) return NOTHING;
    const same = isDeepStrictEqual(servers, this.servers);
    const next = new Map(this.passed);
    const before: RoutePart[] = [];
    const after: RoutePart[] = [];
    for (const host of same ? concerned : this.everyHost()) {
      const known = next.get(host);
      const made = this.passedOn(host, servers);
      if (known !== undefined) before.push(known.part);
      if (made === null) next.delete(host);
      else {
        next.set(host, made);
        after.push(made.part);
      }
      yield;
    }
    const keep = (): void => {
      this.servers = servers;
      this.passed = next;
    };
    const none = same && before.length + after.length === 0;
    const staged = none ? null : { before: { hosts: [], parts: before }, after: { hosts: [], parts: after }, keep };
    return { staged, at: (port) => namesAt(port, next) };
  }

  private everyHost(): Set<string> {
    const hosts = new Set(this.passed.keys());
    for (const { host } of this.to.services.values()) hosts.add(host);
    return hosts;
  }

  /** Null: no server leads there. What the mesh has no sidecars for is reached by rules alone. */
  private passedOn(host: string, servers: readonly PassingServer[]): Passed | null {
    const service = this.to.services.get(host);
    if (service === undefined || service.resolution !== 'STATIC' || service.fixed.length > 0) return null;
    const ports = new Map(
      servers.filter((server) => covers(server, service)).map(({ port }): [number, NamedService[]] => [port, []]),
    );
    if (ports.size === 0) return null;
    const clusters: Cluster[] = [];
    const subsets = ['', ...this.to.subsetsOf(service)];
    for (const { number } of service.ports) {
      for (const subset of subsets) {
        const cluster = this.to.passing(host, number, subset);
        if (cluster === null) continue;
        clusters.push(cluster);
        const serverName = serverNameOf(host, number, subset).toLowerCase();
        for (const [port, named] of ports) named.push([serverName, passingService(port, serverName, cluster)]);
      }
    }
    return { part: new RoutePart([], [], clusters), ports };
  }
}

function covers({ hosts, owner }: PassingServer, { host, namespace }: Service): boolean {
  return hosts.some((pattern) => {
    const bound = boundHost(pattern, owner, namespace);
    return bound !== null && hostCovers(bound, host);
  });
}

function passingService(port: number, serverName: string, cluster: Cluster): TcpService {
  const targets = [{ weight: 1, cluster, clusterName: cluster.name }];
  const route = { origin: '', match: '*', matches: () => true, targets, totalWeight: 1 };
  return { name: `${port} ${serverName}`, service: '', port, offered: SPOKEN_BY_SIDECARS, routes: [route] };
}

function* namesAt(port: number, passed: ReadonlyMap<string, Passed>): Iterable<NamedService> {
  for (const { ports } of passed.values()) yield* ports.get(port) ?? [];
}
