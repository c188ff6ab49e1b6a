// The filters of a route in the order of a request, each with this route's configuration, and what they want to see
// between them. Compiled once per snapshot; core/exchange/filter-manager.ts takes requests through it.

import type { FilterFactory } from './filter.ts';

export class FilterChain {
  readonly filters: readonly FilterFactory[];
  readonly configurations: readonly (Uint8Array | null)[];
  /** True where one of the filters looks: what nobody looks at passes without a turn through all of them. */
  readonly wantsRequestBody: boolean;
  readonly wantsResponseHead: boolean;
  readonly wantsResponseBody: boolean;

  constructor(
    filters: readonly FilterFactory[],
    configurations: readonly (Uint8Array | null)[] = filters.map(() => null),
  ) {
    this.filters = filters;
    this.configurations = configurations;
    this.wantsRequestBody = filters.some(({ wants }) => wants.requestBody);
    this.wantsResponseHead = filters.some(({ wants }) => wants.responseHead);
    this.wantsResponseBody = filters.some(({ wants }) => wants.responseBody);
  }
}

export const EMPTY_CHAIN: FilterChain = Object.freeze(new FilterChain([]));
