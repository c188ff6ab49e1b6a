// What virtual hosts are put together of: the routes of one VirtualService in one place, or of a service itself. Counted by how many
// virtual hosts have them: so it is known which clusters, filters and warnings a snapshot has, without walking it.

import type { Cluster } from '../cluster/cluster.ts';
import type { Problem } from '../config/resource.ts';
import type { FilterFactory } from '../exchange/filter.ts';
import type { Route } from '../router/route.ts';

const NONE: readonly Problem[] = Object.freeze([]);
const NO_CLUSTERS: readonly Cluster[] = Object.freeze([]);

export class RoutePart {
  readonly routes: readonly Route[];
  /** Destinations that lead nowhere. */
  readonly problems: readonly Problem[];
  /** Where it leads connections without requests. */
  readonly clusters: readonly Cluster[];
  uses = 0;
  /** It has no use any more, or never got one: what it refers to may be gone. */
  retired = false;

  constructor(
    routes: readonly Route[],
    problems: readonly Problem[] = NONE,
    clusters: readonly Cluster[] = NO_CLUSTERS,
  ) {
    this.routes = routes;
    this.problems = problems;
    this.clusters = clusters;
  }
}

/** What the parts that are in use refer to. */
export class PartsInUse {
  /** With the number of routes whose requests pass it. */
  readonly filters = new Map<FilterFactory, number>();
  readonly clusters = new Map<Cluster, number>();
  private readonly faulty = new Set<RoutePart>();

  retain(part: RoutePart): void {
    if (part.uses++ > 0) return;
    this.count(part, 1);
    if (part.problems.length > 0) this.faulty.add(part);
  }

  /** Tells which clusters nothing refers to any more. */
  release(part: RoutePart): Cluster[] {
    if (--part.uses > 0) return [];
    part.retired = true;
    this.faulty.delete(part);
    return this.count(part, -1);
  }

  retainCluster(cluster: Cluster): void {
    add(this.clusters, cluster, 1);
  }

  /** True: nothing refers to it any more. */
  releaseCluster(cluster: Cluster): boolean {
    return add(this.clusters, cluster, -1) === 0;
  }

  /** By resource, in the order in which it has them; what is said of one place in it is said once. */
  problems(): readonly Problem[] {
    if (this.faulty.size === 0) return [];
    const found = new Map<string, Problem>();
    const parts = [...this.faulty].map(({ problems }) => ({ problems, key: JSON.stringify(problems) }));
    const byResource = parts.sort(
      (a, b) => compare(a.problems[0].resource, b.problems[0].resource) || compare(a.key, b.key),
    );
    for (const problem of byResource.flatMap(({ problems }) => problems)) {
      const place = `${problem.resource} ${problem.pointer}`;
      if (!found.has(place)) found.set(place, problem);
    }
    return [...found.values()];
  }

  private count({ routes, clusters }: RoutePart, by: 1 | -1): Cluster[] {
    const gone = clusters.filter((cluster) => add(this.clusters, cluster, by) === 0);
    for (const { action, chain } of routes) {
      for (const filter of chain.filters) add(this.filters, filter, by);
      if (action.type !== 'forward') continue;
      for (const { cluster } of action.targets) {
        if (cluster !== null && add(this.clusters, cluster, by) === 0) gone.push(cluster);
      }
    }
    return gone;
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): number {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
  return count;
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
