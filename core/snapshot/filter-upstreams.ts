// The clusters that filters call. A filter may call any service of the mesh from any proxy, whether a route leads there or
// not: the cluster of a service's port is made when a filter first names it, is in every later snapshot for as long as
// that port is there, and is populated like the others. So a gateway, whose routes name few services, carries no cluster
// that nobody uses. What is kept is bounded by the services' ports and subsets.

import type { Cluster } from '../cluster/cluster.ts';
import { splitAuthority } from '../router/hosts.ts';
import type { Node } from '../workload.ts';
import { fullHost, onlyPort, type Service } from './services.ts';
import { reaches } from './virtual-hosts.ts';

/** The services of one compile, and their clusters by full host name, port number and subset ('' = none). */
export interface Registry {
  readonly services: ReadonlyMap<string, Service>;
  cluster(host: string, port: number, subset: string): Cluster | null;
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly subset: string;
}

export class FilterUpstreams {
  private readonly node: Node;
  private readonly kept = new Map<string, Place>();
  private aliases: ReadonlyMap<string, string> = new Map();
  private aliasesOf: Registry['services'] | null = null;

  constructor(node: Node) {
    this.node = node;
  }

  /**
   * The cluster that `name` means, kept from now on; or null. Forms: 'outbound|80|v1|reviews.default.svc.cluster.local',
   * a service in any form that a client of this proxy's namespace may use, with or without ':port', or an http URL of one.
   */
  find(name: string, registry: Registry): Cluster | null {
    const place = this.placeOf(name, registry.services);
    if (place === null) return null;
    const cluster = registry.cluster(place.host, place.port, place.subset);
    if (cluster !== null) this.kept.set(cluster.name, place);
    return cluster;
  }

  /** What was called before and is still there, as this compile has it. */
  again({ cluster }: Registry): Cluster[] {
    const clusters: Cluster[] = [];
    for (const [name, { host, port, subset }] of this.kept) {
      const found = cluster(host, port, subset);
      if (found === null) this.kept.delete(name);
      else clusters.push(found);
    }
    return clusters;
  }

  private placeOf(name: string, services: Registry['services']): Place | null {
    const parts = name.split('|');
    if (parts.length > 1) {
      const [direction, port, subset, host] = parts;
      if (direction !== 'outbound' || parts.length !== 4 || !/^\d{1,5}$/.test(port)) return null;
      const service = this.serviceOf(host.toLowerCase(), services);
      return service === null ? null : { host: service.host, port: Number(port), subset };
    }
    const url = /^(\w+):\/\/([^/?#]*)/.exec(name);
    if (url !== null && url[1].toLowerCase() !== 'http') return null;
    const { host, port } = splitAuthority(url === null ? name : url[2]);
    const service = this.serviceOf(host, services);
    if (service === null) return null;
    // As for a client: what names no port means 80, or a service's only one.
    const wanted = port || (onlyPort(service) ?? 80);
    return { host: service.host, port: wanted, subset: '' };
  }

  private serviceOf(host: string, services: Registry['services']): Service | null {
    if (host === '' || host.includes('*')) return null;
    const full = fullHost(host, this.node.namespace, services);
    return services.get(full) ?? services.get(this.aliasTable(services).get(host) ?? '') ?? null;
  }

  /** Other names of services, such as their addresses. */
  private aliasTable(services: Registry['services']): ReadonlyMap<string, string> {
    if (this.aliasesOf === services) return this.aliases;
    const aliases = new Map<string, string>();
    for (const service of services.values()) {
      for (const alias of service.names) {
        if (reaches(alias, service, this.node) && !aliases.has(alias)) aliases.set(alias.toLowerCase(), service.host);
      }
    }
    this.aliases = aliases;
    this.aliasesOf = services;
    return aliases;
  }
}
