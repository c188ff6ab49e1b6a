// In a shard: filters that run on threads of the pool. The threads are asked for when the first such filter is configured;
// a shard without any has nothing of this.

import type { FilterFactory } from '../exchange/filter.ts';
import { fingerprint, type PluginStatus } from '../wasm/guest/runtime.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { IsolatedFilter } from './filter.ts';
import { Link, type LinkEnvironment } from './link.ts';
import type { ThreadStatus } from './messages.ts';
import { ownBytes } from './packing.ts';

export interface IsolationEnvironment extends Omit<LinkEnvironment, 'plugins' | 'lost' | 'reported'> {
  /** How many there are. */
  readonly threads: number;
}

export class Isolation {
  private readonly environment: IsolationEnvironment;
  private readonly links: Link[] = [];
  private readonly filters = new Map<number, IsolatedFilter>();
  private lastNumber = 0;

  constructor(environment: IsolationEnvironment) {
    this.environment = environment;
  }

  /**
   * A filter of this plugin. The threads configure it a moment later; one that refuses its configuration there, though a
   * trial has accepted it, is a filter that is down.
   */
  configure(spec: PluginSpec): FilterFactory {
    while (this.links.length < this.environment.threads) this.links.push(this.link(this.links.length));
    // Views into larger memory would take that along to the threads.
    const { configuration, vmConfiguration } = spec;
    const own = { ...spec, configuration: ownBytes(configuration), vmConfiguration: ownBytes(vmConfiguration) };
    const filter = new IsolatedFilter(++this.lastNumber, own, this.links, this.filters);
    filter.introduce();
    return filter;
  }

  /** No snapshot refers to it any more: it is freed when its last stream has ended. No effect on others' filters. */
  retire(filter: FilterFactory): void {
    if (filter instanceof IsolatedFilter && !filter.retired) filter.retire();
  }

  /** As the threads told it last; they serve all shards alike. Null: it is none of these. */
  status(filter: object): PluginStatus | null {
    if (!(filter instanceof IsolatedFilter)) return null;
    const { name, spec, streams, lost } = filter;
    const reports = [...filter.reports.values()];
    const sum = (of: 'restarts' | 'memoryBytes' | 'calls'): number =>
      reports.reduce((total, report) => total + report[of], 0);
    // Of the thread that has had the most to do.
    const busiest = reports.reduce<ThreadStatus | null>((a, b) => (a !== null && a.calls >= b.calls ? a : b), null);
    return {
      name,
      digest: spec.digest,
      configuration: fingerprint(spec.configuration),
      running: reports.length === 0 || reports.some(({ running }) => running),
      broken: reports.some(({ broken }) => broken),
      streams,
      restarts: lost + sum('restarts'),
      memoryBytes: sum('memoryBytes'),
      calls: sum('calls'),
      meanMicros: busiest?.meanMicros ?? null,
      medianMicros: busiest?.medianMicros ?? null,
    };
  }

  /** Those that the threads know. */
  get names(): string[] {
    return [...this.filters.values()].map(({ name }) => name);
  }

  /** The shard ends. */
  stop(): void {
    for (const link of this.links) link.stop();
  }

  private link(thread: number): Link {
    const { filters } = this;
    return new Link(thread, {
      ...this.environment,
      *plugins() {
        for (const { number, spec } of filters.values()) yield [number, spec] as const;
      },
      reported(from, plugin, status) {
        filters.get(plugin)?.reports.set(from, status);
      },
      lost(of) {
        for (const filter of filters.values()) {
          filter.lost++;
          filter.reports.delete(of);
        }
      },
    });
  }
}
