// LEAST_REQUEST: of two different endpoints at random, the one with fewer requests under way for its weight. When both have
// as many it is the first, which comes as often as its weight says.

import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './balancer.ts';
import { Shares } from './shares.ts';

export class LeastRequest implements Balancer {
  private endpoints: readonly Endpoint[] = [];
  private shares: Shares | null = null;
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  update(endpoints: readonly Endpoint[], weights: readonly number[] | null): void {
    this.endpoints = endpoints;
    this.shares = weights === null ? null : new Shares(weights);
  }

  pick(): Endpoint | null {
    const { endpoints, shares } = this;
    const count = endpoints.length;
    if (count < 2) return count === 0 ? null : endpoints[0];
    if (shares !== null) return this.pickWeighted(shares);
    const first = Math.floor(this.random() * count);
    let second = Math.floor(this.random() * (count - 1));
    if (second >= first) second++;
    return endpoints[first].active <= endpoints[second].active ? endpoints[first] : endpoints[second];
  }

  private pickWeighted(shares: Shares): Endpoint {
    const { endpoints } = this;
    const first = shares.at(this.random() * shares.total);
    const weight = shares.weightOf(first);
    // From the line without the first one's share.
    let point = this.random() * (shares.total - weight);
    if (point >= shares.startOf(first)) point += weight;
    const second = shares.at(point);
    const isLess = endpoints[first].active * shares.weightOf(second) <= endpoints[second].active * weight;
    return isLess ? endpoints[first] : endpoints[second];
  }
}
