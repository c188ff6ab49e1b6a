// What a built-in filter is to the compiler of snapshots: how configuration becomes the bytes that its module reads. Types
// only. A built-in is decided by the policies of its workload (one configuration for all requests of a listener), by the
// route that a request takes, or by the FilterChain that inserts it.

import type { KindName, Specs } from '../config/kind-names.ts';
import type { HTTPRoute } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import type { Node } from '../workload.ts';
import type { ModuleName } from './order.ts';

export interface Builtin {
  /** In the chains that it stands in by itself (order.ts); null: it stands in none. */
  readonly standing: WorkloadPolicy | RoutePolicy | null;
  /** Where a FilterChain inserts it; null: none may. */
  readonly inserted: InsertedPolicy | null;
}

/** Resources of one kind, by namespace and name: every proxy sees the same order. */
export type Policies = <Name extends KindName>(kind: Name) => readonly Resource<Specs[Name]>[];

export interface WorkloadPolicy {
  readonly scope: 'workload';
  /** What `configure` reads: it is asked again only when a resource of these kinds has changed. */
  readonly kinds: readonly KindName[];
  /** The name of the module that such a configuration is for. Left out: the filter's own. */
  module?(configuration: Uint8Array): ModuleName;
  /** The filter's configuration at this workload, or null: nothing asks for it here. Throws what cannot be enforced. */
  configure(policies: Policies, node: Node): Uint8Array | null;
}

export interface RoutePolicy {
  readonly scope: 'route';
  /** This route's configuration, or null: its requests do not pass the filter. */
  configure(http: HTTPRoute): Uint8Array | null;
}

/** JSON, as a FilterChain's `config` is. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Of a FilterChain that inserts the filter by name. It stands where the FilterChain says, once for each place that inserts it,
 * with its configuration as the filter's own, and no configuration of a route.
 */
export interface InsertedPolicy {
  /** The filter's configuration. Throws an Error whose message is one line: which field is wrong, and why. */
  configure(config: JsonObject): Uint8Array;
}
