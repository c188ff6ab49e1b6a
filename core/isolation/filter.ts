// In a shard: a plugin whose filter runs on a thread of the pool, as snapshots hold it. It exists on every thread; a stream
// is on the one where fewest of this shard's streams are when it comes.

import type { Direction, FilterConfiguration, FilterFactory, FilterStream, HttpFilter } from '../exchange/filter.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { wantsOf } from '../wasm/guest/vm.ts';
import type { Link } from './link.ts';
import type { ThreadStatus } from './messages.ts';
import { IsolatedStream, type Sees, type StreamsFilter } from './stream.ts';

export class IsolatedFilter implements FilterFactory, StreamsFilter {
  readonly name: string;
  readonly number: number;
  readonly spec: PluginSpec;
  readonly wants: FilterFactory['wants'];
  readonly sees: Sees;
  retired = false;
  streams = 0;
  /** Threads that it lost. */
  lost = 0;
  /** How it fares, by thread. */
  readonly reports = new Map<number, ThreadStatus>();
  private readonly links: readonly Link[];
  /** Those that the threads know, by number. */
  private readonly known: Map<number, IsolatedFilter>;
  private next = 0;

  constructor(number: number, spec: PluginSpec, links: readonly Link[], known: Map<number, IsolatedFilter>) {
    this.number = number;
    this.name = spec.name;
    this.spec = spec;
    this.links = links;
    this.known = known;
    this.wants = wantsOf(spec.module);
    const has = new Set(WebAssembly.Module.exports(spec.module).map(({ name }) => name));
    const seen = (direction: Direction) => ({
      head: has.has(`proxy_on_${direction}_headers`),
      trailers: has.has(`proxy_on_${direction}_trailers`),
    });
    // The request's head is where its stream begins there, as in the shard: without it nobody would hear of the end.
    const request = { ...seen('request'), head: this.wants.request.head };
    const end = has.has('proxy_on_done') || has.has('proxy_on_log');
    this.sees = { request, response: seen('response'), end };
  }

  open(stream: FilterStream, config: FilterConfiguration | null): HttpFilter {
    // A request that began before the plugin was let go may come to it only now.
    if (!this.known.has(this.number)) this.introduce();
    this.streams++;
    return new IsolatedStream(this, this.leastBusy(), stream, config?.bytes ?? null);
  }

  streamEnded(): void {
    this.streams--;
    if (this.retired && this.streams === 0) this.leave();
  }

  introduce(): void {
    this.known.set(this.number, this);
    for (const link of this.links) link.post({ type: 'configure', plugin: this.number, spec: this.spec });
  }

  retire(): void {
    this.retired = true;
    if (this.streams === 0) this.leave();
  }

  private leave(): void {
    this.known.delete(this.number);
    for (const link of this.links) link.post({ type: 'retire', plugin: this.number });
  }

  private leastBusy(): Link {
    const { links } = this;
    this.next = (this.next + 1) % links.length;
    let best = links[this.next];
    for (const link of links) if (link.streams.size < best.streams.size) best = link;
    return best;
  }
}
