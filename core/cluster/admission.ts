// One attempt's place in a cluster, from before it has an endpoint until it is over. Here alone are begun and ended requests
// counted, each once: whoever holds it says how it went, and what is said after that counts for nothing.

import type { Endpoint } from './endpoint.ts';

/** What a cluster counts on its shard. Its admissions and itself alone change it. */
export interface ClusterCounts {
  /** Attempts that are with an endpoint now, and those that ever were. */
  active: number;
  requests: number;
  /** So far: attempts that found too many waiting for a connection. */
  overflows: number;
  /** Attempts under way, or about to begin, that repeat a request and count against the budget. */
  retrying: number;
  /** So far: further attempts, those that the budget refused, and requests that had used up theirs. */
  retries: number;
  retryOverflows: number;
  retryLimits: number;
}

interface Picker {
  pick(avoid: readonly Endpoint[] | null, key: number | null): Endpoint | null;
}

export class Admission {
  /** Null before `enter`, and when there was none. */
  endpoint: Endpoint | null = null;
  over = false;
  /** It counts against the cluster's retry budget. */
  readonly counted: boolean;
  private readonly cluster: Picker;
  private readonly counts: ClusterCounts;

  /** Made by a cluster's `admit` and `admitRetry`. */
  constructor(cluster: Picker, counts: ClusterCounts, counted: boolean) {
    this.cluster = cluster;
    this.counts = counts;
    this.counted = counted;
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
    if (this.endpoint === null) return;
    this.endpoint.left();
    this.counts.active--;
  }
}
