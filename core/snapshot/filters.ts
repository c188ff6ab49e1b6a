// Which filters a request passes, in which order, with which configuration. A chain that needs nothing is empty.

import type { HTTPFaultInjection } from '../config/kinds/virtual-service.ts';
import { faultConfig } from '../fault.ts';
import type { FilterFactory } from '../filter.ts';
import { type ChainSpec, EMPTY_CHAIN } from '../router/route.ts';

/** Gives a filter its place: built-ins by name, configured once per snapshot where the configuration is the workload's. */
export interface FilterSource {
  /** Null: there is no such module on this proxy. */
  builtin(name: 'fault' | 'rbac', configuration: Uint8Array): FilterFactory | null;
}

/** Builds the chains of one kind of listener. */
export class ChainBuilder {
  private readonly source: FilterSource;
  private readonly always: readonly FilterFactory[];
  private readonly withoutRoute: ChainSpec;

  /** `always`: filters that every request passes, in order. */
  constructor(source: FilterSource, always: readonly FilterFactory[]) {
    this.source = source;
    this.always = always;
    this.withoutRoute = always.length === 0 ? EMPTY_CHAIN : { filters: always, configurations: always.map(() => null) };
  }

  /** The chain of one route. */
  route(fault: HTTPFaultInjection | undefined): ChainSpec {
    if (fault === undefined) return this.withoutRoute;
    const filter = this.source.builtin('fault', EMPTY);
    if (filter === null) return this.withoutRoute;
    return {
      filters: [...this.always, filter],
      configurations: [...this.always.map(() => null), faultConfig(fault)],
    };
  }
}

const EMPTY = new Uint8Array(0);
