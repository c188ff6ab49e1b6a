// The filters of a route in the order of a request, each with this route's configuration, and what they want to see
// between them. Compiled once per snapshot; core/exchange/filter-manager.ts takes requests through it.

import type { Direction, FilterConfiguration, FilterFactory, Wants } from './filter.ts';

export class FilterChain {
  readonly filters: readonly FilterFactory[];
  readonly configurations: readonly (FilterConfiguration | null)[];
  /** What one of the filters looks at: what nobody looks at passes without a turn through all of them. */
  readonly wants: Wants;

  constructor(
    filters: readonly FilterFactory[],
    configurations: readonly (FilterConfiguration | null)[] = filters.map(() => null),
  ) {
    this.filters = filters;
    this.configurations = configurations;
    this.wants = { request: wantedOf(filters, 'request'), response: wantedOf(filters, 'response') };
  }
}

function wantedOf(filters: readonly FilterFactory[], direction: Direction): Wants[Direction] {
  return {
    head: filters.some(({ wants }) => wants[direction].head),
    body: filters.some(({ wants }) => wants[direction].body),
  };
}

export const EMPTY_CHAIN: FilterChain = Object.freeze(new FilterChain([]));
