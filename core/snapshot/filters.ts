// Which filters a request passes, in which order, with which configuration. A chain that needs nothing is empty.

import type { Configured } from '../builtins/configured.ts';
import type { BuiltinName, ProtocolName } from '../builtins/order.ts';
import type { HTTPRoute } from '../config/kinds/virtual-service.ts';
import type { FilterConfiguration, FilterFactory, ServicePlugin } from '../exchange/filter.ts';
import { EMPTY_CHAIN, FilterChain } from '../exchange/filter-chain.ts';
import type { NetworkFilterFactory } from '../tcp/network-filter.ts';
import type { PluginConfig, PluginType } from '../wasm/guest/spec.ts';

/** Gives filters their instances: equal configurations are the same filter. */
export interface FilterSource {
  /** Throws when this proxy has not its module: what it should enforce cannot be. */
  builtin(name: BuiltinName, configuration: Configured): FilterFactory;
  /** Throws PluginRefused. Without its module it is what its fail strategy says. */
  plugin(config: PluginConfig): FilterFactory;
  network(config: PluginConfig): NetworkFilterFactory;
  /** What counts the commands of this protocol under `prefix`; null: this proxy has not its module. */
  protocol(name: ProtocolName, prefix: string): NetworkFilterFactory | null;
  /** Started, and it lives until no snapshot has it any more. */
  service(config: PluginConfig): ServicePlugin;
  /** What the module's callbacks say; 'http' as long as it is not there. */
  typeOf(config: PluginConfig): PluginType;
}

/** One filter's place in the chains of a listener. */
export interface ListenerFilter {
  readonly name: string;
  /** Ports of requests that come to it; null: all. */
  readonly ports: readonly number[] | null;
  /** The filter for a route's requests and the route's own configuration for it, or null: they do not pass it. */
  place(http: HTTPRoute | null): PlacedFilter | null;
}

export interface PlacedFilter {
  readonly filter: FilterFactory;
  readonly configuration: FilterConfiguration | null;
}

/** Builds the chains of one kind of listener. */
export class ChainBuilder {
  private readonly filters: readonly ListenerFilter[];
  private readonly plain: FilterChain;
  private readonly byPort = new Map<string, ChainBuilder>();

  /** In the order of a request. */
  constructor(filters: readonly ListenerFilter[]) {
    this.filters = filters;
    this.plain = this.chain(null);
  }

  /** What builds the chains of requests for this port. */
  at(port: number): ChainBuilder {
    if (this.filters.every(({ ports }) => ports === null)) return this;
    const here = this.filters.filter(({ ports }) => ports === null || ports.includes(port));
    const key = here.map((filter) => this.filters.indexOf(filter)).join(' ');
    let builder = this.byPort.get(key);
    if (builder === undefined) {
      builder = new ChainBuilder(here.map((filter) => ({ ...filter, ports: null })));
      this.byPort.set(key, builder);
    }
    return builder;
  }

  /** The chain of one route; null: of a route that no VirtualService made. */
  route(http: HTTPRoute | null): FilterChain {
    const chain = http === null ? this.plain : this.chain(http);
    return same(chain, this.plain) ? this.plain : chain;
  }

  private chain(http: HTTPRoute | null): FilterChain {
    const placed = this.filters.flatMap((filter) => filter.place(http) ?? []);
    if (placed.length === 0) return EMPTY_CHAIN;
    return new FilterChain(
      placed.map(({ filter }) => filter),
      placed.map(({ configuration }) => configuration),
    );
  }
}

function same(a: FilterChain, b: FilterChain): boolean {
  return (
    a.filters.length === b.filters.length &&
    a.filters.every((filter, i) => filter === b.filters[i] && a.configurations[i] === b.configurations[i])
  );
}
