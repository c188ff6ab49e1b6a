// What a request can be sent to, compiled from configuration once per snapshot: virtual hosts, routes, their matches and
// what is done to a request that matched. Frozen; shared by all requests and by snapshots that did not change them.

import type { RetryPolicy } from '../builtins/retry/policy.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { FilterChain } from '../exchange/filter-chain.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
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
  /** Calls of gRPC-Web become calls of gRPC here. */
  readonly grpcWeb: boolean;
  /**
   * Where a request is that no route matches, when routes ask for claims: it passes the filters, which verify its token, and a
   * route is looked for again. Null: no route asks.
   */
  readonly unrouted: Route | null;
}

export interface Route {
  readonly name: string;
  /** 'namespace/name' of the VirtualService it comes from, or ''. */
  readonly origin: string;
  /** Any of these; empty = every request. */
  readonly matches: readonly Matcher[];
  readonly action: ForwardAction | RedirectAction | DirectAction | UnmatchedAction;
  /** Of answers that no target's are. */
  readonly responseChanges: FieldChanges | null;
  readonly chain: FilterChain;
}

export interface ForwardAction {
  readonly type: 'forward';
  readonly targets: readonly Target[];
  readonly totalWeight: number;
  readonly rewritePath: PathRewrite | null;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

/** There is no route after all. */
export interface UnmatchedAction {
  readonly type: 'unmatched';
}

export interface Target {
  readonly weight: number;
  /** Null: the configuration names something that never existed here. 503 NC. */
  readonly cluster: Cluster | null;
  readonly clusterName: string;
  /** The authority that it is sent with; null: its own. */
  readonly authority: string | null;
  /** Its own and the route's. */
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

/** The path that goes upstream, by the path that came and the bytes of it that the match covered. */
export type PathRewrite = (path: string, covered: number) => string;

/** One after the other. */
export type FieldChanges = readonly FieldChangeGroup[];

/** First what is removed, then what is put in its order; the values are those of before any is put. */
export interface FieldChangeGroup {
  readonly removed: readonly FieldName[];
  readonly put: readonly FieldPut[];
  /** Some of the values are to be filled in. */
  readonly filled: boolean;
}

export interface FieldPut {
  readonly name: FieldName;
  /** As it is added. */
  readonly written: string;
  /** Beside those that are there, and not in their place. */
  readonly append: boolean;
  /** Latin1: one char a byte. */
  readonly value: string;
  /** What makes the value, or null: it is always the same. An empty one changes nothing. */
  readonly format: ((record: ExchangeRecord) => string) | null;
}
