// What a request can be sent to, compiled from configuration once per snapshot: virtual hosts, routes, their matches and
// what is done to a request that matched. Frozen; shared by all requests and by snapshots that did not change them.

import type { RetryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { FilterChain } from '../exchange/filter-chain.ts';
import type { FieldName } from '../http/head.ts';
import type { Matcher } from './match.ts';

export interface VirtualHost {
  /** 'reviews.default.svc.cluster.local:9080', as proxy-config shows it. */
  readonly name: string;
  readonly domains: readonly string[];
  /** The service that requests to this host are for, or '' (a gateway's host is no service). */
  readonly service: string;
  readonly port: number;
  readonly routes: readonly Route[];
  /** A wildcard without addresses of its own ('*.example.com'): what the client asked for is dialled. */
  readonly asNamed: boolean;
}

export interface Route {
  readonly name: string;
  /** 'namespace/name' of the VirtualService it comes from, or ''. */
  readonly origin: string;
  /** Any of these; empty = every request. */
  readonly matches: readonly Matcher[];
  readonly action: ForwardAction | RedirectAction | DirectAction;
  readonly requestChanges: FieldChanges | null;
  readonly responseChanges: FieldChanges | null;
  readonly chain: FilterChain;
}

export interface ForwardAction {
  readonly type: 'forward';
  readonly targets: readonly Target[];
  readonly totalWeight: number;
  readonly rewrite: Rewrite | null;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

export interface Target {
  readonly weight: number;
  /** Null: the configuration names something that never existed here. 503 NC. */
  readonly cluster: Cluster | null;
  readonly clusterName: string;
  readonly requestChanges: FieldChanges | null;
  readonly responseChanges: FieldChanges | null;
}

export interface RedirectAction {
  readonly type: 'redirect';
  readonly status: number;
  readonly scheme: string;
  readonly authority: string;
  readonly port: number;
  readonly path: string;
  /** Replaces the matched prefix; '' = not asked for. */
  readonly prefixRewrite: string;
}

export interface DirectAction {
  readonly type: 'direct';
  readonly status: number;
  readonly body: Uint8Array;
}

/** New path and authority for what goes upstream; `path` gets the matched prefix's length. */
export interface Rewrite {
  readonly authority: string | null;
  readonly path: ((path: string, matchedPrefix: number) => string) | null;
}

export interface FieldChanges {
  readonly remove: readonly FieldName[];
  readonly set: readonly (readonly [FieldName, string])[];
  readonly add: readonly (readonly [string, string])[];
}
