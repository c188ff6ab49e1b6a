// The balancers by the names that a DestinationRule gives them.

import type { BalancerClass } from './balancer.ts';
import { LeastRequest } from './least-request.ts';
import { RandomChoice } from './random.ts';
import { RoundRobin } from './round-robin.ts';

export const BALANCERS = {
  LEAST_REQUEST: LeastRequest,
  RANDOM: RandomChoice,
  ROUND_ROBIN: RoundRobin,
} satisfies Record<string, BalancerClass>;

export type LoadBalancing = keyof typeof BALANCERS;

/** What a cluster has that names none, or one that is not here. */
export const DEFAULT_BALANCER: LoadBalancing = 'LEAST_REQUEST';

export function isBalancer(name: string): name is LoadBalancing {
  return Object.hasOwn(BALANCERS, name);
}
