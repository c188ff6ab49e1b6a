// What a cluster counts on its shard. Changed by its admissions and by the cluster itself alone. Types only.

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
