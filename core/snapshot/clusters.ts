// Clusters by name and who is in them. A cluster is one object for its name: a change of endpoints or policy swaps a reference inside
// the same cluster, so routes need not be compiled again and requests in flight keep what they have.

import { isDeepStrictEqual } from 'node:util';
import { isBalancer } from '../cluster/balancers/balancers.ts';
import { Cluster, type ClusterPolicy, type ClusterSpec, DEFAULT_POLICY, type RetryBudget } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { EndpointTls } from '../cluster/endpoint-tls.ts';
import type { LimitSource } from '../cluster/limits.ts';
import { parseDuration } from '../config/duration.ts';
import type { ConnectionPoolSettings, TrafficPolicy } from '../config/kinds/destination-rule.ts';
import type { MeshConfigSpec } from '../config/kinds/mesh-config.ts';
import { declaresHttp, isHttp2 } from '../config/schemas/port-protocol.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import { serverNameOf, tlsOf } from './cluster-tls.ts';
import type { HostRules } from './destination-rules.ts';
import { limitsOf } from './mesh-wide.ts';
import { hasLabels, type Service, type ServicePort, servesPort } from './services.ts';

/** Where endpoints come from: the shard interns them with their pools; a dry run has none. */
export interface EndpointSource {
  endpoint(address: string, port: number, tls: EndpointTls | null): Endpoint;
  /** [0, 1). */
  readonly random: () => number;
  /** What other shards have of a cluster; null: there are none. */
  readonly limits: LimitSource | null;
  /** For clusters whose addresses come from DNS. */
  resolver(cluster: Cluster): Cluster['resolve'];
}

/** Who is in which service, as the registry has it. */
export interface Membership {
  service(host: string): Service | undefined;
  of(service: Service): readonly WorkloadEndpoint[];
}

export class ClusterTable {
  readonly clusters = new Map<string, Cluster>();
  private readonly source: EndpointSource;
  private readonly membership: Membership;
  private readonly byHost = new Map<string, readonly Cluster[]>();
  private readonly staged = new Map<Cluster, ClusterSpec>();
  /** Made since the last commit: who is in them is not looked up before somebody may be sent there. */
  private readonly made = new Set<Cluster>();

  constructor(source: EndpointSource, membership: Membership) {
    this.source = source;
    this.membership = membership;
  }

  /** The cluster of this name, the same object for the same name. A changed specification counts from `commit` on. */
  intern(spec: ClusterSpec): Cluster {
    const known = this.clusters.get(spec.name);
    if (known !== undefined) {
      if (!isDeepStrictEqual(known.spec, spec)) this.staged.set(known, spec);
      else this.staged.delete(known);
      return known;
    }
    const cluster = new Cluster(spec, this.source.random, this.source.limits);
    this.resolveFrom(cluster, spec);
    this.clusters.set(spec.name, cluster);
    this.byHost.set(spec.service, (this.byHost.get(spec.service) ?? []).concat(cluster));
    this.made.add(cluster);
    return cluster;
  }

  /** Puts everybody into the clusters that are new: nobody is sent there yet. */
  *fillNew(): Iterable<void> {
    for (const cluster of this.made) {
      yield* this.fill(cluster);
      yield;
    }
  }

  /** With everybody in it, also when it was made a moment ago. */
  filled(cluster: Cluster): Cluster {
    if (this.made.has(cluster)) for (const _ of this.fill(cluster));
    return cluster;
  }

  /**
   * The compile succeeded: what it asked for counts, and what it made in vain is forgotten. `hosts`: of services that have other
   * members, or are others.
   */
  *commit(hosts: Iterable<string>, isUsed: (cluster: Cluster) => boolean): Iterable<void> {
    for (const cluster of this.made) {
      if (!isUsed(cluster) && isOfService(cluster.spec)) this.forget(cluster);
    }
    const changed = new Set<Cluster>(this.staged.keys());
    for (const host of hosts) for (const cluster of this.byHost.get(host) ?? []) changed.add(cluster);
    for (const cluster of changed) {
      const spec = this.staged.get(cluster);
      if (spec !== undefined) this.configure(cluster, spec);
      if (!this.made.has(cluster)) yield* this.fill(cluster);
      yield;
    }
    this.staged.clear();
    this.made.clear();
  }

  /** Nothing refers to it any more. */
  forget(cluster: Cluster): void {
    const { name, service } = cluster.spec;
    if (this.clusters.get(name) !== cluster) return;
    this.clusters.delete(name);
    const others = (this.byHost.get(service) ?? []).filter((other) => other !== cluster);
    if (others.length === 0) this.byHost.delete(service);
    else this.byHost.set(service, others);
    cluster.dismiss();
  }

  /** The compile failed: what it asked for does not count, and what it made is forgotten. */
  rollback(isUsed: (cluster: Cluster) => boolean): void {
    this.staged.clear();
    for (const cluster of this.made) if (!isUsed(cluster)) this.forget(cluster);
    this.made.clear();
  }

  private configure(cluster: Cluster, spec: ClusterSpec): void {
    const { dns, tls } = cluster.spec;
    const moved = !isDeepStrictEqual([dns, tls], [spec.dns, spec.tls]);
    cluster.configure(spec);
    if (!moved || (dns.length === 0 && spec.dns.length === 0)) return;
    cluster.setEndpoints([]);
    this.resolveFrom(cluster, spec);
  }

  private resolveFrom(cluster: Cluster, { dns }: ClusterSpec): void {
    cluster.resolve = dns.length === 0 ? null : this.source.resolver(cluster);
  }

  /** The endpoint, which nobody forgets before it is in the cluster. */
  private held(address: string, port: number, tls: EndpointTls | null): Endpoint {
    const endpoint = this.source.endpoint(address, port, tls);
    endpoint.joined(null);
    return endpoint;
  }

  /** Puts everybody into the cluster who belongs there, at once when that is known. */
  *fill(cluster: Cluster): Iterable<void> {
    const { spec } = cluster;
    if (!isOfService(spec) || spec.dns.length > 0) return;
    const service = this.membership.service(spec.service);
    const port = service?.ports.find((candidate) => candidate.number === spec.port);
    if (service === undefined || port === undefined) {
      cluster.setEndpoints([]);
      return;
    }
    const { labels, tls } = spec;
    const passing = spec.kind === 'sni-dnat';
    const required = tls?.required === true ? tls : null;
    const endpoints: Endpoint[] = [];
    const weights: number[] = [];
    const workloads: (WorkloadEndpoint | null)[] = [];
    for (const fixed of service.fixed) {
      if (!hasLabels(fixed.labels, labels)) continue;
      const number = fixed.ports[port.name] ?? (port.targetPort || port.number);
      endpoints.push(this.held(fixed.address, number, required));
      weights.push(fixed.weight);
      workloads.push(null);
    }
    for (const member of this.membership.of(service)) {
      yield;
      if (!hasLabels(member.labels, labels) || (passing && member.tls !== true)) continue;
      const number = servesPort(service, port, member);
      if (number === null) continue;
      endpoints.push(this.held(member.address, number, member.tls === true ? tls : required));
      weights.push(member.weight);
      workloads.push(member);
    }
    cluster.setEndpoints(endpoints, weights, workloads);
    for (const endpoint of endpoints) endpoint.parted(null);
  }
}

function isOfService({ kind }: ClusterSpec): boolean {
  return kind === 'outbound' || kind === 'sni-dnat';
}

export interface ClusterRequest {
  readonly kind: 'outbound' | 'sni-dnat';
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  readonly rules: HostRules;
  /** Where rules say nothing. */
  readonly mesh: MeshConfigSpec;
  /** Clients of gateways say nothing of what applications speak. */
  readonly gateway: boolean;
}

/** The specification of a service's cluster, or null when the subset is not defined. */
export function clusterSpec({ kind, service, port, subset, rules, mesh, gateway }: ClusterRequest): ClusterSpec | null {
  const defined = subset === '' ? undefined : rules.subsets.get(subset);
  if (subset !== '' && defined === undefined) return null;
  const hosts =
    service.fixed.length > 0
      ? service.fixed.map(({ address, weight }) => ({ host: address, weight }))
      : [{ host: service.host, weight: 1 }];
  const target = port.targetPort || port.number;
  const levels = [rules.trafficPolicy, defined?.trafficPolicy];
  const aliases = mesh.trustDomainAliases ?? [];
  // What is passed on is in TLS already, which nothing may stand in front of.
  const tls =
    kind === 'sni-dnat'
      ? null
      : tlsOf({
          port,
          subset,
          host: service.host,
          levels,
          aliases,
          limits: limitsOf(mesh.tlsDefaults),
          trusted: rules.trusted,
        });
  const policy = policyOf(
    { ...port, protocol: gateway && !isHttp2(port.protocol) ? 'HTTP' : port.protocol },
    tls !== null && tls.origination === null,
    mesh,
    rules.trafficPolicy,
    defined?.trafficPolicy,
  );
  return {
    name: clusterName(service.host, port.number, subset, kind),
    kind,
    service: service.host,
    port: port.number,
    subset,
    labels: defined?.labels ?? {},
    policy: kind === 'sni-dnat' ? { ...policy, proxyProtocol: null } : policy,
    tls,
    rule: rules.sources.map(({ metadata }) => `${metadata.name}.${metadata.namespace}`).join(','),
    dns: service.resolution === 'STATIC' ? [] : hosts.map(({ host, weight }) => ({ host, port: target, weight })),
  };
}

/** Of the application that a sidecar stands before. */
export function applicationSpec(name: string, service: string, port: number, spoken: string): ClusterSpec {
  const policy = { ...DEFAULT_POLICY, protocol: protocolOf(spoken) };
  return { name, kind: 'inbound', service, port, subset: '', labels: {}, policy, dns: [], tls: null, rule: '' };
}

/** As Istio's: one that is asked for by a name in TLS is called by it. */
export function clusterName(
  host: string,
  port: number,
  subset: string,
  kind: ClusterRequest['kind'] = 'outbound',
): string {
  return kind === 'outbound' ? `outbound|${port}|${subset}|${host}` : serverNameOf(host, port, subset);
}

/** A subset's policy overrides the host's, field by field at the top level; a port's replaces both. */
function policyOf(
  { number, protocol }: ServicePort,
  inMesh: boolean,
  mesh: MeshConfigSpec,
  ...levels: (TrafficPolicy | undefined)[]
): ClusterPolicy {
  let pool: ConnectionPoolSettings | undefined;
  let simple: string | undefined;
  let budget: TrafficPolicy['retryBudget'];
  let header: TrafficPolicy['proxyProtocol'];
  for (const level of levels) {
    const override = level?.portLevelSettings?.find((setting) => setting.port?.number === number);
    const settings = override ?? level;
    pool = settings?.connectionPool ?? pool;
    simple = settings?.loadBalancer?.simple ?? simple;
    // Port settings have neither: only whole policies do.
    budget = level?.retryBudget ?? budget;
    header = level?.proxyProtocol ?? header;
  }
  const { tcp, http } = pool ?? {};
  const connectTimeout = tcp?.connectTimeout ?? mesh.connectTimeout;
  return {
    protocol: protocolOf(protocol, http, mesh),
    multiplexed: inMesh && sharesConnections(mesh, pool),
    loadBalancing: simple !== undefined && isBalancer(simple) ? simple : DEFAULT_POLICY.loadBalancing,
    connectTimeoutMs: connectTimeout === undefined ? DEFAULT_POLICY.connectTimeoutMs : parseDuration(connectTimeout),
    idleTimeoutMs: http?.idleTimeout === undefined ? DEFAULT_POLICY.idleTimeoutMs : parseDuration(http.idleTimeout),
    maxConnections: tcp?.maxConnections || DEFAULT_POLICY.maxConnections,
    maxPendingRequests: http?.http1MaxPendingRequests || DEFAULT_POLICY.maxPendingRequests,
    maxRequests: http?.http2MaxRequests || DEFAULT_POLICY.maxRequests,
    maxConcurrentStreams: http?.maxConcurrentStreams || DEFAULT_POLICY.maxConcurrentStreams,
    keepAlive: keepAliveOf(http),
    maxRequestsPerConnection: http?.maxRequestsPerConnection || DEFAULT_POLICY.maxRequestsPerConnection,
    retryBudget: budgetOf(budget, http?.maxRetries),
    tcp: tcp?.idleTimeout === undefined ? DEFAULT_POLICY.tcp : { idleMs: parseDuration(tcp.idleTimeout) },
    proxyProtocol: header === undefined ? null : (header.version ?? 'V1'),
  };
}

/**
 * Whether nobody says that connections stay HTTP/1.1, or how many of them, or requests on each, there may be: such a rule means
 * those of HTTP/1.1, and sheds load by them.
 */
function sharesConnections(mesh: MeshConfigSpec, { tcp, http }: ConnectionPoolSettings = {}): boolean {
  if (upgradeOf(http, mesh) === 'DO_NOT_UPGRADE') return false;
  return !tcp?.maxConnections && !http?.http1MaxPendingRequests && !http?.maxRequestsPerConnection;
}

function keepAliveOf({ http2KeepAlive }: NonNullable<ConnectionPoolSettings['http']> = {}): ClusterPolicy['keepAlive'] {
  if (http2KeepAlive === undefined) return null;
  return { intervalMs: parseDuration(http2KeepAlive.interval), timeoutMs: parseDuration(http2KeepAlive.timeout) };
}

/** What a port's name, its appProtocol or a rule says that is spoken there; of one that says nothing, what the client speaks, but at gateways. */
export function protocolOf(
  port: string,
  http?: ConnectionPoolSettings['http'],
  mesh: MeshConfigSpec = {},
): ClusterPolicy['protocol'] {
  if (http?.useClientProtocol === true) return 'client';
  if (isHttp2(port) || http?.h2UpgradePolicy === 'UPGRADE') return 'h2';
  if (!declaresHttp(port)) return 'client';
  return upgradeOf(http, mesh) === 'UPGRADE' ? 'h2' : 'http/1.1';
}

/** What a rule says, and where it says nothing or DEFAULT the mesh; undefined: neither. */
function upgradeOf(http: ConnectionPoolSettings['http'], mesh: MeshConfigSpec): MeshConfigSpec['h2UpgradePolicy'] {
  const own = http?.h2UpgradePolicy ?? 'DEFAULT';
  return own === 'DEFAULT' ? mesh.h2UpgradePolicy : own;
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
