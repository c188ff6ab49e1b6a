// A set of endpoints that serve the same thing under one policy, named as Envoy and Istio name it
// ('outbound|9080|v1|reviews.default.svc.cluster.local'). Interned by name; snapshots refer to it, endpoint changes and
// policy changes swap one reference inside.

import type { Endpoint } from './endpoint.ts';

export type LoadBalancing = 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM';

export interface ClusterPolicy {
  readonly loadBalancing: LoadBalancing;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Per shard and endpoint. */
  readonly maxConnections: number;
  /** Requests that may wait for a connection, per shard and endpoint. */
  readonly maxPendingRequests: number;
  readonly maxRequestsPerConnection: number;
  readonly retryBudget: RetryBudget;
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
  loadBalancing: 'LEAST_REQUEST',
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxConnections: 4096,
  maxPendingRequests: 4096,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  retryBudget: Object.freeze({ percent: 20, least: 3, everyRetry: false }),
});

/** What a cluster is, apart from who is in it. */
export interface ClusterSpec {
  readonly name: string;
  readonly kind: 'outbound' | 'inbound' | 'passthrough';
  /** Full host name of the service; a passthrough cluster's dialled host. */
  readonly service: string;
  readonly port: number;
  readonly subset: string;
  /** Labels that endpoints of this subset carry. */
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: ClusterPolicy;
  /** Host names whose addresses are the endpoints (ServiceEntry resolution DNS, passthrough), with their port. */
  readonly dns: readonly { readonly host: string; readonly port: number }[];
  /** 'name.namespace' of the DestinationRule that shapes it, or ''. */
  readonly rule: string;
}

export class Cluster {
  spec: ClusterSpec;
  endpoints: readonly Endpoint[] = [];
  active = 0;
  requests = 0;
  overflows = 0;
  /** Attempts under way that repeat a request and count against the budget. */
  retrying = 0;
  /** So far: further attempts, those that the budget refused, and requests that had used up theirs. */
  retries = 0;
  retryOverflows = 0;
  retryLimits = 0;
  /** Set when the addresses come from DNS: asks for them and calls back once there are some, or none can be had. */
  resolve: ((done: () => void) => void) | null = null;
  private turn = 0;
  private readonly random: () => number;

  constructor(spec: ClusterSpec, random: () => number = Math.random) {
    this.spec = spec;
    this.random = random;
  }

  get name(): string {
    return this.spec.name;
  }

  get policy(): ClusterPolicy {
    return this.spec.policy;
  }

  /** True when one more repeated request fits the budget. `held`: places that the asking request has already, 0 or 1. */
  retryFits(held: number): boolean {
    const { percent, least } = this.spec.policy.retryBudget;
    return this.retrying - held < Math.max(least, (percent / 100) * this.active);
  }

  /** The endpoint for the next request, or null when there is none. `avoid`: tried before, taken only if nothing else is there. */
  pick(avoid: readonly Endpoint[] | null): Endpoint | null {
    const { endpoints } = this;
    const count = endpoints.length;
    if (count === 0) return null;
    if (count === 1) return endpoints[0];
    const chosen = this.balance(endpoints, count);
    if (avoid === null || !avoid.includes(chosen)) return chosen;
    const at = endpoints.indexOf(chosen);
    for (let i = 1; i < count; i++) {
      const other = endpoints[(at + i) % count];
      if (!avoid.includes(other)) return other;
    }
    return chosen;
  }

  private balance(endpoints: readonly Endpoint[], count: number): Endpoint {
    switch (this.spec.policy.loadBalancing) {
      case 'ROUND_ROBIN':
        this.turn = (this.turn + 1) % count;
        return endpoints[this.turn];
      case 'RANDOM':
        return endpoints[Math.floor(this.random() * count)];
      case 'LEAST_REQUEST': {
        // Power of two choices: two different ones at random, the less busy wins.
        const first = Math.floor(this.random() * count);
        let second = Math.floor(this.random() * (count - 1));
        if (second >= first) second++;
        return endpoints[first].active <= endpoints[second].active ? endpoints[first] : endpoints[second];
      }
    }
  }
}
