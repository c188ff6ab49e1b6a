// A set of endpoints that serve the same thing under one policy, named as Envoy and Istio name it
// ('outbound|9080|v1|reviews.default.svc.cluster.local'). Interned by name; snapshots refer to it, endpoint changes and
// policy changes swap one reference inside. An attempt has its place in it by an Admission.

import type { Protocol } from '../transport/protocol.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { Balancer } from './balancers/balancer.ts';
import { BALANCERS, DEFAULT_BALANCER, type LoadBalancing } from './balancers/balancers.ts';
import type { ConnectionPolicy } from './connection-policy.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointTls } from './endpoint-tls.ts';
import { ClusterLimits, type LimitSource } from './limits.ts';

export interface ClusterPolicy extends ConnectionPolicy {
  /** What its endpoints are spoken to; 'client': what the client speaks. */
  readonly protocol: 'http/1.1' | 'h2' | 'client';
  /** Requests of HTTP/1.1 share connections to endpoints that take that. */
  readonly multiplexed: boolean;
  readonly loadBalancing: LoadBalancing;
  readonly retryBudget: RetryBudget;
  readonly tcp: TcpPolicy;
}

/** Of connections whose bytes are carried as they are. */
export interface TcpPolicy {
  /** How long no byte may move; 0: for ever. */
  readonly idleMs: number;
}

/** How many of a cluster's requests may be repeated ones at the same time, per shard: the larger of the two figures. */
export interface RetryBudget {
  /** Of the requests under way. */
  readonly percent: number;
  readonly least: number;
  /** Also those whose failed attempt sent nothing, which add no load to anybody. */
  readonly everyRetry: boolean;
}

export const DEFAULT_POLICY: ClusterPolicy = Object.freeze({
  protocol: 'client',
  multiplexed: false,
  loadBalancing: DEFAULT_BALANCER,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxConnections: 4096,
  maxPendingRequests: 4096,
  maxRequests: Number.POSITIVE_INFINITY,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  keepAlive: null,
  retryBudget: Object.freeze({ percent: 20, least: 3, everyRetry: false }),
  tcp: Object.freeze({ idleMs: 3_600_000 }),
  proxyProtocol: null,
});

export interface ResolvedHost {
  readonly host: string;
  readonly port: number;
  /** Of each of its addresses. */
  readonly weight: number;
}

/** What a cluster is, apart from who is in it. */
export interface ClusterSpec {
  readonly name: string;
  /** 'sni-dnat': of who ends TLS of the mesh, and is sent a client's as it is. */
  readonly kind: 'outbound' | 'inbound' | 'passthrough' | 'sni-dnat';
  /** Full host name of the service; a passthrough cluster's dialled host. */
  readonly service: string;
  readonly port: number;
  readonly subset: string;
  /** Labels that endpoints of this subset carry. */
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: ClusterPolicy;
  /** Host names whose addresses are the endpoints (ServiceEntry resolution DNS, passthrough), with their port. */
  readonly dns: readonly ResolvedHost[];
  /** To endpoints that take it, or where it is required to all; null: never. */
  readonly tls: EndpointTls | null;
  /** 'name.namespace' of the DestinationRule that shapes it, or ''. */
  readonly rule: string;
}

/** What a cluster counts on its shard. Its admissions and itself alone change it. */
export interface ClusterCounts {
  /** Attempts that are with an endpoint now, and those that ever were. */
  active: number;
  requests: number;
  /** So far: attempts that found too many waiting for a connection, or under way. */
  overflows: number;
  /** Attempts under way, or about to begin, that repeat a request and count against the budget. */
  retrying: number;
  /** So far: further attempts, those that the budget refused, and requests that had used up theirs. */
  retries: number;
  retryOverflows: number;
  retryLimits: number;
}

/** As large as a weight may be: Envoy's, too. */
const MAX_WEIGHT = 0xffffffff;

export class Cluster {
  /** Set when the addresses come from DNS: asks for them and calls back once there are some, or none can be had. */
  resolve: ((done: () => void) => void) | null = null;
  readonly limits: ClusterLimits;
  private current: ClusterSpec;
  private members: readonly Endpoint[] = [];
  private weights: readonly number[] | null = null;
  /** Who is at each of the members; shorter where nobody is known. */
  private workloads: readonly (WorkloadEndpoint | null)[] = [];
  private dismissed = false;
  private balancer: Balancer;
  private readonly random: () => number;
  private readonly counted: ClusterCounts = {
    active: 0,
    requests: 0,
    overflows: 0,
    retrying: 0,
    retries: 0,
    retryOverflows: 0,
    retryLimits: 0,
  };

  /** `random`: [0, 1). `limits`: null where no other shard has the cluster. */
  constructor(spec: ClusterSpec, random: () => number, limits: LimitSource | null = null) {
    this.current = spec;
    this.random = random;
    this.limits = new ClusterLimits(spec.policy, limits);
    this.limit();
    this.balancer = new BALANCERS[spec.policy.loadBalancing](random);
  }

  get name(): string {
    return this.current.name;
  }

  get spec(): ClusterSpec {
    return this.current;
  }

  get policy(): ClusterPolicy {
    return this.current.policy;
  }

  get endpoints(): readonly Endpoint[] {
    return this.members;
  }

  get counts(): Readonly<ClusterCounts> {
    return this.counted;
  }

  /** What it is from now on. Who is in it stays. */
  configure(spec: ClusterSpec): void {
    const before = this.current.policy.loadBalancing;
    this.current = spec;
    this.limit();
    if (spec.policy.loadBalancing === before) return;
    this.balancer = new BALANCERS[spec.policy.loadBalancing](this.random);
    this.balancer.update(this.members, this.weights);
  }

  private limit(): void {
    const { policy, name } = this.current;
    const own =
      policy.maxConnections !== DEFAULT_POLICY.maxConnections ||
      policy.maxPendingRequests !== DEFAULT_POLICY.maxPendingRequests ||
      policy.maxRequests !== DEFAULT_POLICY.maxRequests;
    this.limits.configure(policy, name, own);
  }

  /**
   * Who is in it from now on. `weights`, in the order of the endpoints: none is as good as 1. `workloads`, in the same order: whose
   * they are.
   */
  setEndpoints(
    endpoints: readonly Endpoint[],
    weights: readonly number[] = [],
    workloads: readonly (WorkloadEndpoint | null)[] = [],
  ): void {
    const before = { members: this.members, workloads: this.workloads };
    this.members = endpoints;
    this.workloads = workloads;
    const given = endpoints.map((_, i) => Math.min(MAX_WEIGHT, Math.max(1, Math.floor(weights[i] ?? 1))));
    this.weights = given.every((weight) => weight === given[0]) ? null : given;
    this.balancer.update(endpoints, this.weights);
    if (this.dismissed) return;
    // Those that stay are not unused for a moment.
    for (let i = 0; i < endpoints.length; i++) endpoints[i].joined(workloads[i] ?? null);
    for (let i = 0; i < before.members.length; i++) before.members[i].parted(before.workloads[i] ?? null);
  }

  /** Nothing leads to it any more but requests that have begun: they still find who is in it. */
  dismiss(): void {
    if (this.dismissed) return;
    this.dismissed = true;
    for (let i = 0; i < this.members.length; i++) this.members[i].parted(this.workloads[i] ?? null);
  }

  /** What its endpoints are spoken to for a client that speaks this: 'HTTP/1.1', 'HTTP/2'. */
  protocolFor(client: string): Protocol {
    const { protocol, multiplexed } = this.current.policy;
    if (protocol === 'h2' || (protocol === 'client' && client === 'HTTP/2')) return 'h2';
    return multiplexed ? 'weft-multiplexed' : 'http/1.1';
  }

  /** A place for a request's first attempt. */
  admit(): Admission {
    return new Admission(this, this.counted, false);
  }

  /** A place for one more attempt at a request. `counted`: against the budget. */
  admitRetry(counted: boolean): Admission {
    this.counted.retries++;
    if (counted) this.counted.retrying++;
    return new Admission(this, this.counted, counted);
  }

  /** One more attempt was wanted, and is not made: the request has used up its own ('limit'), or there is no budget. */
  refuseRetry(reason: 'limit' | 'overflow'): void {
    if (reason === 'limit') this.counted.retryLimits++;
    else this.counted.retryOverflows++;
  }

  /** An attempt is not made, since too many wait for a connection or are under way. */
  overflowed(): void {
    this.counted.overflows++;
  }

  /** True when one more repeated request fits the budget. `held`: places that the asking request has already, 0 or 1. */
  retryFits(held: number): boolean {
    const { percent, least } = this.current.policy.retryBudget;
    return this.counted.retrying - held < Math.max(least, (percent / 100) * this.counted.active);
  }

  /** The endpoint for the next request, or null when there is none: see Admission's `enter`, which counts it. */
  pick(avoid: readonly Endpoint[] | null, key: number | null = null): Endpoint | null {
    const { members } = this;
    const count = members.length;
    if (count === 1) return members[0];
    const chosen = this.balancer.pick(key);
    if (chosen === null || avoid === null || !avoid.includes(chosen)) return chosen;
    const at = members.indexOf(chosen);
    for (let i = 1; i < count; i++) {
      const other = members[(at + i) % count];
      if (!avoid.includes(other)) return other;
    }
    return chosen;
  }
}

/**
 * One attempt's place in a cluster, from before it has an endpoint until it is over. Here alone are begun and ended requests
 * counted, each once: whoever holds it says how it went, and what is said after that counts for nothing.
 */
export class Admission {
  /** Null before `enter`, and when there was none. */
  endpoint: Endpoint | null = null;
  over = false;
  /** It has one of the places that the cluster has for requests. */
  private begun = false;
  /** It counts against the cluster's retry budget. */
  readonly counted: boolean;
  private readonly cluster: Cluster;
  private readonly counts: ClusterCounts;

  /** Made by a cluster's `admit` and `admitRetry`. */
  constructor(cluster: Cluster, counts: ClusterCounts, counted: boolean) {
    this.cluster = cluster;
    this.counts = counts;
    this.counted = counted;
  }

  /** False: the cluster has as many requests as it may have, and this one is not made. */
  begin(): boolean {
    if (!this.cluster.limits.request()) {
      this.cluster.overflowed();
      return false;
    }
    this.begun = true;
    return true;
  }

  /** Chooses the endpoint, or null when there is none: `avoid` is taken only if nothing else is there; `key` as in Balancer. */
  enter(avoid: readonly Endpoint[] | null, key: number | null = null): Endpoint | null {
    const endpoint = this.cluster.pick(avoid, key);
    if (endpoint === null) return null;
    this.endpoint = endpoint;
    endpoint.entered();
    this.counts.active++;
    this.counts.requests++;
    return endpoint;
  }

  /** The endpoint gave a whole answer, whatever it says. */
  succeeded(): void {
    this.ended();
  }

  /** The endpoint's fault: it broke off, or was silent for too long. */
  failed(): void {
    if (!this.over) this.endpoint?.hasFailed();
    this.ended();
  }

  /** Nobody's fault: it got no connection, or nobody wants the answer any more. */
  ended(): void {
    if (this.over) return;
    this.over = true;
    if (this.counted) this.counts.retrying--;
    if (this.begun) this.cluster.limits.endRequest();
    if (this.endpoint === null) return;
    this.endpoint.left();
    this.counts.active--;
  }
}
