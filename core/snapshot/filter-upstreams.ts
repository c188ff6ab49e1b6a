// The clusters that filters call. A filter may call any service of the mesh from any proxy, whether a route leads there or
// not: the cluster of a service's port is made when a filter first names it, is in every later snapshot for as long as
// that port is there, and is populated like the others. So a gateway, whose routes name few services, carries no cluster
// that nobody uses. What is kept is bounded by the services' ports and subsets.

import type { Cluster } from '../cluster/cluster.ts';
import { splitAuthority } from '../router/hosts.ts';
import type { Node } from '../workload.ts';
import { reaches } from './outbound-hosts.ts';
import { fullHost, onlyPort, type Service, type Services } from './services.ts';

/** The services, and their clusters by full host name, port number and subset ('' = none). */
export interface Registry {
  readonly services: Services & { readonly version: number; values(): Iterable<Service> };
  cluster(host: string, port: number, subset: string): Cluster | null;
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly subset: string;
}

export class FilterUpstreams {
  private readonly node: Node;
  private readonly registry: Registry;
  private readonly kept = new Map<Cluster, Place>();
  private aliases: ReadonlyMap<string, string> = new Map();
  private aliasesOf = -1;

  constructor(node: Node, registry: Registry) {
    this.node = node;
    this.registry = registry;
  }

  /**
   * The cluster that `name` means, kept from now on; or null. Forms: 'outbound|80|v1|reviews.default.svc.cluster.local',
   * a service in any form that a client of this proxy's namespace may use, with or without ':port', or an http URL of one.
   */
  find(name: string): { readonly cluster: Cluster; readonly isNew: boolean } | null {
    const place = this.placeOf(name);
    if (place === null) return null;
    const cluster = this.registry.cluster(place.host, place.port, place.subset);
    if (cluster === null) return null;
    const isNew = !this.kept.has(cluster);
    this.kept.set(cluster, place);
    return { cluster, isNew };
  }

  /** What was called before and is there no more; what is, is as the registry has it now. */
  *gone(): Iterable<Cluster> {
    for (const [cluster, { host, port, subset }] of this.kept) {
      if (this.registry.cluster(host, port, subset) === null) yield cluster;
    }
  }

  forget(cluster: Cluster): void {
    this.kept.delete(cluster);
  }

  private placeOf(name: string): Place | null {
    const parts = name.split('|');
    if (parts.length > 1) {
      const [direction, port, subset, host] = parts;
      if (direction !== 'outbound' || parts.length !== 4 || !/^\d{1,5}$/.test(port)) return null;
      const service = this.serviceOf(host.toLowerCase());
      return service === null ? null : { host: service.host, port: Number(port), subset };
    }
    const url = /^(\w+):\/\/([^/?#]*)/.exec(name);
    if (url !== null && url[1].toLowerCase() !== 'http') return null;
    const { host, port } = splitAuthority(url === null ? name : url[2]);
    const service = this.serviceOf(host);
    if (service === null) return null;
    // As for a client: what names no port means 80, or a service's only one.
    const wanted = port || (onlyPort(service) ?? 80);
    return { host: service.host, port: wanted, subset: '' };
  }

  private serviceOf(host: string): Service | null {
    const { services } = this.registry;
    if (host === '' || host.includes('*')) return null;
    const full = fullHost(host, this.node.namespace, services);
    return services.get(full) ?? services.get(this.aliasTable().get(host) ?? '') ?? null;
  }

  /** Other names of services, such as their addresses. */
  private aliasTable(): ReadonlyMap<string, string> {
    const { services } = this.registry;
    if (this.aliasesOf === services.version) return this.aliases;
    const aliases = new Map<string, string>();
    for (const service of services.values()) {
      for (const alias of service.names) {
        if (reaches(alias, service, this.node) && !aliases.has(alias)) aliases.set(alias.toLowerCase(), service.host);
      }
    }
    this.aliases = aliases;
    this.aliasesOf = services.version;
    return aliases;
  }
}
