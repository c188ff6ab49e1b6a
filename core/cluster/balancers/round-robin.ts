// ROUND_ROBIN: each in its turn. With weights the turn walks over their line in steps of the golden section, which come to
// every point once before they begin again: what is due to an endpoint is spread over the round, not given in a row.

import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './balancer.ts';
import { Shares } from './shares.ts';

const GOLDEN = (Math.sqrt(5) - 1) / 2;

export class RoundRobin implements Balancer {
  private endpoints: readonly Endpoint[] = [];
  private shares: Shares | null = null;
  /** A place on the line, its length, and how far the next one is. */
  private turn = 0;
  private length = 0;
  private step = 1;

  update(endpoints: readonly Endpoint[], weights: readonly number[] | null): void {
    this.endpoints = endpoints;
    const divisor = weights?.reduce(greatestDivisor) ?? 1;
    this.shares = weights === null ? null : new Shares(weights.map((weight) => weight / divisor));
    this.length = this.shares?.total ?? endpoints.length;
    this.step = this.shares === null ? 1 : stepOver(this.length);
  }

  pick(): Endpoint | null {
    const { endpoints, shares } = this;
    if (endpoints.length === 0) return null;
    this.turn = (this.turn + this.step) % this.length;
    return endpoints[shares === null ? this.turn : shares.at(this.turn)];
  }
}

/** Has no divisor in common with the length, so no point is left out. */
function stepOver(length: number): number {
  let step = Math.round(length * GOLDEN);
  while (greatestDivisor(step, length) > 1) step++;
  return step;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
