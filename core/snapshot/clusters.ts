// Clusters by name and who is in them. A cluster is one object for its name: a change of endpoints or policy swaps a reference inside
// the same cluster, so routes need not be compiled again and requests in flight keep what they have.

import { isBalancer } from '../cluster/balancers/balancers.ts';
import { Cluster, type ClusterPolicy, type ClusterSpec, DEFAULT_POLICY, type RetryBudget } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { LimitSource } from '../cluster/limits.ts';
import { parseDuration } from '../config/duration.ts';
import type { ConnectionPoolSettings, TrafficPolicy } from '../config/kinds/destination-rule.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { HostRules } from './destination-rules.ts';
import { Members } from './members.ts';
import { hasLabels, type Service, type ServicePort, servesPort } from './services.ts';

/** Where endpoints come from: the shard interns them with their pools; a dry run has none. */
export interface EndpointSource {
  endpoint(address: string, port: number): Endpoint;
  /** [0, 1). */
  readonly random: () => number;
  /** What other shards have of a cluster; null: there are none. */
  readonly limits: LimitSource | null;
  /** For clusters whose addresses come from DNS. */
  resolver(cluster: Cluster): Cluster['resolve'];
}

export class ClusterTable {
  readonly clusters = new Map<string, Cluster>();
  private readonly source: EndpointSource;
  private readonly staged = new Map<Cluster, ClusterSpec>();
  private services: ReadonlyMap<string, Service> = new Map();
  private members = new Members([]);
  /** Who answers at an endpoint; null: the mesh does not know. */
  private owners = new Map<Endpoint, WorkloadEndpoint | null>();

  constructor(source: EndpointSource) {
    this.source = source;
  }

  /** The cluster of this name, the same object for the same name. A changed specification counts from `commit` on. */
  intern(spec: ClusterSpec): Cluster {
    const known = this.clusters.get(spec.name);
    if (known !== undefined) {
      this.staged.set(known, spec);
      return known;
    }
    const cluster = new Cluster(spec, this.source.random, this.source.limits);
    this.resolveFrom(cluster, spec);
    this.clusters.set(spec.name, cluster);
    return cluster;
  }

  /** The compile succeeded: what it asked for counts, and clusters that nothing refers to are forgotten. */
  commit(used: ReadonlySet<Cluster>): void {
    for (const [cluster, spec] of this.staged) {
      const moved = JSON.stringify(cluster.spec.dns) !== JSON.stringify(spec.dns);
      cluster.configure(spec);
      if (!moved) continue;
      cluster.setEndpoints([]);
      this.resolveFrom(cluster, spec);
    }
    this.staged.clear();
    for (const [name, cluster] of this.clusters) if (!used.has(cluster)) this.clusters.delete(name);
  }

  rollback(): void {
    this.staged.clear();
  }

  private resolveFrom(cluster: Cluster, { dns }: ClusterSpec): void {
    cluster.resolve = dns.length === 0 ? null : this.source.resolver(cluster);
  }

  /** Puts every workload into the clusters it belongs to. */
  populate(services: ReadonlyMap<string, Service>, endpoints: readonly WorkloadEndpoint[]): void {
    this.services = services;
    this.members = new Members(endpoints);
    this.owners = new Map();
    for (const cluster of this.clusters.values()) this.populateOne(cluster);
  }

  /** As `populate`, for a cluster that was made since. */
  populateOne(cluster: Cluster): void {
    const { spec } = cluster;
    if (spec.kind !== 'outbound' || spec.dns.length > 0) return;
    const service = this.services.get(spec.service);
    const port = service?.ports.find((candidate) => candidate.number === spec.port);
    if (service === undefined || port === undefined) cluster.setEndpoints([]);
    else this.fill(cluster, service, port);
  }

  private fill(cluster: Cluster, service: Service, port: ServicePort): void {
    const { labels } = cluster.spec;
    const endpoints: Endpoint[] = [];
    const weights: number[] = [];
    for (const fixed of service.fixed) {
      if (!hasLabels(fixed.labels, labels)) continue;
      const number = fixed.ports[port.name] ?? (port.targetPort || port.number);
      endpoints.push(this.endpointAt(fixed.address, number, null));
      weights.push(fixed.weight);
    }
    for (const member of this.members.of(service)) {
      if (!hasLabels(member.labels, labels)) continue;
      const number = servesPort(service, port, member);
      if (number === null) continue;
      endpoints.push(this.endpointAt(member.address, number, member));
      weights.push(member.weight);
    }
    cluster.setEndpoints(endpoints, weights);
  }

  /** Where several say that they answer, the first by id does, whichever cluster was filled first. */
  private endpointAt(address: string, port: number, workload: WorkloadEndpoint | null): Endpoint {
    const endpoint = this.source.endpoint(address, port);
    const owner = this.owners.get(endpoint);
    if (owner === undefined || (workload !== null && (owner === null || workload.id < owner.id))) {
      this.owners.set(endpoint, workload);
      endpoint.workload = workload;
    }
    return endpoint;
  }
}

export interface ClusterRequest {
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  readonly rules: HostRules;
}

/** The specification of a service's cluster, or null when the subset is not defined. */
export function clusterSpec({ service, port, subset, rules }: ClusterRequest): ClusterSpec | null {
  const defined = subset === '' ? undefined : rules.subsets.get(subset);
  if (subset !== '' && defined === undefined) return null;
  const hosts =
    service.fixed.length > 0
      ? service.fixed.map(({ address, weight }) => ({ host: address, weight }))
      : [{ host: service.host, weight: 1 }];
  const target = port.targetPort || port.number;
  return {
    name: clusterName(service.host, port.number, subset),
    kind: 'outbound',
    service: service.host,
    port: port.number,
    subset,
    labels: defined?.labels ?? {},
    policy: policyOf(port.number, rules.trafficPolicy, defined?.trafficPolicy),
    rule: rules.sources.map(({ metadata }) => `${metadata.name}.${metadata.namespace}`).join(','),
    dns: service.resolution === 'STATIC' ? [] : hosts.map(({ host, weight }) => ({ host, port: target, weight })),
  };
}

export function clusterName(host: string, port: number, subset: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** A subset's policy overrides the host's, field by field at the top level; a port's replaces both. */
function policyOf(port: number, ...levels: (TrafficPolicy | undefined)[]): ClusterPolicy {
  let pool: ConnectionPoolSettings | undefined;
  let simple: string | undefined;
  let budget: TrafficPolicy['retryBudget'];
  for (const level of levels) {
    const override = level?.portLevelSettings?.find((setting) => setting.port?.number === port);
    const settings = override ?? level;
    pool = settings?.connectionPool ?? pool;
    simple = settings?.loadBalancer?.simple ?? simple;
    // Port settings have no retry budget: only whole policies do.
    budget = level?.retryBudget ?? budget;
  }
  const { tcp, http } = pool ?? {};
  return {
    loadBalancing: simple !== undefined && isBalancer(simple) ? simple : DEFAULT_POLICY.loadBalancing,
    connectTimeoutMs:
      tcp?.connectTimeout === undefined ? DEFAULT_POLICY.connectTimeoutMs : parseDuration(tcp.connectTimeout),
    idleTimeoutMs: http?.idleTimeout === undefined ? DEFAULT_POLICY.idleTimeoutMs : parseDuration(http.idleTimeout),
    maxConnections: tcp?.maxConnections || DEFAULT_POLICY.maxConnections,
    maxPendingRequests: http?.http1MaxPendingRequests || DEFAULT_POLICY.maxPendingRequests,
    maxRequestsPerConnection: http?.maxRequestsPerConnection || DEFAULT_POLICY.maxRequestsPerConnection,
    retryBudget: budgetOf(budget, http?.maxRetries),
  };
}

/** A budget that is asked for counts every retry and goes before maxRetries, as in Envoy. 0 is: not given. */
function budgetOf(budget: TrafficPolicy['retryBudget'], maxRetries: number | undefined): RetryBudget {
  const { retryBudget } = DEFAULT_POLICY;
  if (budget !== undefined) {
    const { percent = retryBudget.percent, minRetryConcurrency } = budget;
    return { percent, least: minRetryConcurrency || retryBudget.least, everyRetry: true };
  }
  return maxRetries ? { percent: 0, least: maxRetries, everyRetry: true } : retryBudget;
}
