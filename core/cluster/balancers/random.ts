// RANDOM: whichever, as often as its weight says.

import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './balancer.ts';
import { Shares } from './shares.ts';

export class RandomChoice implements Balancer {
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
    if (endpoints.length === 0) return null;
    if (shares !== null) return endpoints[shares.at(this.random() * shares.total)];
    return endpoints[Math.floor(this.random() * endpoints.length)];
  }
}
