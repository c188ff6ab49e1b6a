// What a built-in filter is to the rest of the proxy: how configuration becomes the bytes that its module reads, which functions
// its module calls, and what its shards share. Types only. It is decided by the policies of its workload (one configuration
// for all requests of a listener), by the route that a request takes, or by the FilterChain that inserts it.

import type { KindName, Specs } from '../config/kind-names.ts';
import type { HTTPRoute } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import type { ForeignFunction } from '../wasm/abi/foreign.ts';
import type { Upstreams } from '../wasm/abi/upstreams.ts';
import type { Node } from '../workload.ts';
import type { RemoteKeys } from './authn/rules.ts';
import type { Configured } from './configured.ts';
import type { BuiltinName } from './order.ts';

export interface Builtin {
  /** In the chains that it stands in by itself (order.ts); left out: it stands in none. */
  readonly standing?: WorkloadPolicy | RoutePolicy;
  /** Where a FilterChain inserts it; left out: none may. */
  readonly inserted?: InsertedPolicy;
  /** What its module calls by name, in one shard. Installed plugins are not given it. */
  foreign?(shard: BuiltinShard): Readonly<Record<string, ForeignFunction>>;
  /** What its shards have in common; left out: nothing. */
  readonly shared?: SharedState;
}

/** A shard, as a built-in sees it. */
export interface BuiltinShard {
  readonly shard: number;
  /** What `shared.create` made. No bytes when it is left out. */
  readonly memory: SharedArrayBuffer;
  /** Key sets of token issuers, which the main thread fetches. */
  readonly keys: RemoteKeys;
  /** Services that it may call. */
  readonly upstreams: Upstreams;
}

/** Memory of all shards of a proxy, on the main thread. It outlives each of them. */
export interface SharedState {
  create(shards: number): SharedArrayBuffer;
  /** This shard is dead: frees the locks that it held, and forgets what it had under way. */
  release(memory: SharedArrayBuffer, shard: number): void;
}

/** By the built-ins that share something. */
export type BuiltinMemory = Readonly<Partial<Record<BuiltinName, SharedArrayBuffer>>>;

/** Resources of one kind, by namespace and name: every proxy sees the same order. */
export type Policies = <Name extends KindName>(kind: Name) => readonly Resource<Specs[Name]>[];

export interface WorkloadPolicy {
  readonly scope: 'workload';
  /** What `configure` reads: it is asked again only when a resource of these kinds has changed. */
  readonly kinds: readonly KindName[];
  /** The filter's configuration at this workload, or null: nothing asks for it here. Throws what cannot be enforced. */
  configure(policies: Policies, node: Node): Configured | null;
}

export interface RoutePolicy {
  readonly scope: 'route';
  /** This route's configuration, or null: its requests do not pass the filter. */
  configure(http: HTTPRoute): Configured | null;
}

/** JSON, as a FilterChain's `config` is. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Of a FilterChain that inserts the filter by name. It stands where the FilterChain says, once for each place that inserts it,
 * with its configuration as the filter's own, and no configuration of a route.
 */
export interface InsertedPolicy {
  /** The filter's configuration. Throws an Error whose message is one line: which field is wrong, and why. */
  configure(config: JsonObject): Configured;
}
