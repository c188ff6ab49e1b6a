// What every balancer is: it knows the endpoints of one cluster on one shard, and says which gets the next request. Types only.

import type { Endpoint } from '../endpoint.ts';

export interface Balancer {
  /**
   * From now on these, and nobody else. `weights`: whole numbers from 1 on in the order of the endpoints; null: all are the
   * same.
   */
  update(endpoints: readonly Endpoint[], weights: readonly number[] | null): void;
  /** Null when there is nobody. `key`: for balancers that send what has the same key to the same endpoint; null: none. */
  pick(key: number | null): Endpoint | null;
}

/** `random`: [0, 1). */
export type BalancerClass = new (random: () => number) => Balancer;
