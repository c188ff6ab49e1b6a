// Who serves what, as the main thread knows it, and the part of it that shards are told: what their configuration may call. Of the
// others they learn where admin is, and who dials from an address of their own.

import { isOwnAddress } from '../own-address.ts';
import type { EndpointUpdate } from '../shard/protocol.ts';
import type { Served, WorkloadEndpoint } from '../workload.ts';
import { type Pack, ServedPacks, unpack } from './served-packs.ts';

export interface EndpointFilter {
  takes(endpoint: WorkloadEndpoint): boolean;
}

/** Of a configuration that leaves nothing out. */
export const EVERY_ENDPOINT: EndpointFilter = Object.freeze({ takes: () => true });

export class ToldEndpoints {
  private readonly packs = new ServedPacks();
  private readonly served = new Map<string, Pack>();
  /** The same packs where all of one is told. */
  private readonly told = new Map<string, Pack>();
  /** Of the configuration that runs; null before the first, without which shards do nothing and know of nobody. */
  private running: EndpointFilter | null = null;
  /** What one of them takes is told. */
  private filters: readonly EndpointFilter[] = [];

  /** By whoever serves them. */
  get endpoints(): readonly WorkloadEndpoint[] {
    return [...this.served].flatMap(([key, pack]) => unpack(key, pack).endpoints);
  }

  /** What shards know. */
  get all(): EndpointUpdate {
    return { upserts: [...this.told].map(([key, pack]) => [key, unpack(key, pack)]), removals: [] };
  }

  /** What shards are to be told of it: what is not otherwise than before is not told again. `full`: who is not among them is gone. */
  change({ upserts, removals }: EndpointUpdate, full: boolean): EndpointUpdate {
    const gone = new Set(full ? this.served.keys() : removals);
    const come: (readonly [string, Served])[] = [];
    for (const [key, served] of upserts) {
      gone.delete(key);
      const pack = this.packs.take(key, served);
      if (this.put(this.served, key, pack) && this.filters.length > 0) this.tell(key, served, pack, come);
    }
    for (const key of gone) this.drop(this.served, key);
    return { upserts: come, removals: [...gone].filter((key) => this.drop(this.told, key)) };
  }

  /** Before shards are given a configuration: what it calls is told, too. */
  widen(filter: EndpointFilter): EndpointUpdate {
    return this.filterBy(this.running === null || this.running === filter ? [filter] : [this.running, filter]);
  }

  /** It runs: what only the one before it called is no longer told. */
  narrow(filter: EndpointFilter): EndpointUpdate {
    this.running = filter;
    return this.filterBy([filter]);
  }

  /** It does not, and the one before it does. */
  revert(): EndpointUpdate {
    return this.running === null ? NOTHING : this.filterBy([this.running]);
  }

  private filterBy(filters: readonly EndpointFilter[]): EndpointUpdate {
    const before = this.filters;
    this.filters = filters;
    if (filters.length === before.length && filters.every((filter, i) => filter === before[i])) return NOTHING;
    const upserts: (readonly [string, Served])[] = [];
    const staying = new Map<Pack, boolean>();
    for (const [key, pack] of this.served) {
      if (before.length > 0 && this.stays(key, pack, before, staying)) continue;
      this.tell(key, unpack(key, pack), pack, upserts);
    }
    return { upserts, removals: [] };
  }

  /** Whether the same of it is told as by the filters before. `known`: of others who say the same. */
  private stays(key: string, pack: Pack, before: readonly EndpointFilter[], known: Map<Pack, boolean>): boolean {
    let stays = pack.uniform ? known.get(pack) : undefined;
    if (stays === undefined) {
      const { endpoints } = unpack(key, pack);
      stays = endpoints.every((endpoint) => isTaken(before, endpoint) === isTaken(this.filters, endpoint));
      known.set(pack, stays);
    }
    return stays;
  }

  /** The part of it that is to be told, unless it is told already. */
  private tell(key: string, served: Served, pack: Pack, upserts: (readonly [string, Served])[]): void {
    const part = this.partOf(served);
    const told = part === served ? this.packs.again(pack) : this.packs.take(key, part);
    if (this.put(this.told, key, told)) upserts.push([key, part]);
  }

  /** Whether that is otherwise than what is there. What was taken is kept or released. */
  private put(table: Map<string, Pack>, key: string, pack: Pack): boolean {
    const before = table.get(key);
    if (before !== undefined) this.packs.release(before);
    if (before === pack) return false;
    table.set(key, pack);
    return true;
  }

  /** Whether it was there. */
  private drop(table: Map<string, Pack>, key: string): boolean {
    const pack = table.get(key);
    if (pack === undefined) return false;
    this.packs.release(pack);
    return table.delete(key);
  }

  private partOf(served: Served): Served {
    const { filters } = this;
    if (filters.includes(EVERY_ENDPOINT)) return served;
    const endpoints = served.endpoints.filter((endpoint) => isTaken(filters, endpoint));
    if (endpoints.length === served.endpoints.length) return served;
    const others = served.endpoints.filter((endpoint) => !endpoints.includes(endpoint));
    return { endpoints, dialling: others.filter(({ address }) => isOwnAddress(address)), admin: served.admin };
  }
}

const NOTHING: EndpointUpdate = Object.freeze({ upserts: [], removals: [] });

function isTaken(filters: readonly EndpointFilter[], endpoint: WorkloadEndpoint): boolean {
  return filters.some((filter) => filter.takes(endpoint));
}
