// The route that no rule has shaped: every request, as it is, to one cluster.

import type { RetryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { FilterChain } from '../exchange/filter-chain.ts';
import type { Route } from './route.ts';

export interface PlainRoute {
  readonly name: string;
  /** Null: there is no such cluster; 503 NC. */
  readonly cluster: Cluster | null;
  readonly clusterName: string;
  readonly chain: FilterChain;
  readonly retry: RetryPolicy;
}

/** The route of requests that no route matches yet, through what every request passes. */
export function unmatchedRoute(chain: FilterChain): Route {
  return { name: '', origin: '', matches: [], responseChanges: null, chain, action: { type: 'unmatched' } };
}

export function plainRoute({ name, cluster, clusterName, chain, retry }: PlainRoute): Route {
  const target = { weight: 1, cluster, clusterName, authority: null, requestChanges: null, responseChanges: null };
  return {
    name,
    origin: '',
    matches: [],
    responseChanges: null,
    chain,
    action: { type: 'forward', targets: [target], totalWeight: 1, rewritePath: null, timeoutMs: 0, retry },
  };
}
