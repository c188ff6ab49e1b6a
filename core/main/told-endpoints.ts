// Who serves what, as the main thread knows it, and the part of it that shards are told: what their configuration may call. Of the
// others they learn where admin is, and who dials from an address of their own.

import { isDeepStrictEqual } from 'node:util';
import { isOwnAddress } from '../own-address.ts';
import type { EndpointUpdate } from '../shard/protocol.ts';
import type { Served, WorkloadEndpoint } from '../workload.ts';

export interface EndpointFilter {
  takes(endpoint: WorkloadEndpoint): boolean;
}

/** Of a configuration that leaves nothing out. */
export const EVERY_ENDPOINT: EndpointFilter = Object.freeze({ takes: () => true });

export class ToldEndpoints {
  private readonly served = new Map<string, Served>();
  /** The same objects where all of one is told. */
  private readonly told = new Map<string, Served>();
  /** Of the configuration that runs; null before the first, without which shards do nothing and know of nobody. */
  private running: EndpointFilter | null = null;
  /** What one of them takes is told. */
  private filters: readonly EndpointFilter[] = [];

  /** By whoever serves them. */
  get endpoints(): readonly WorkloadEndpoint[] {
    return [...this.served.values()].flatMap(({ endpoints }) => endpoints);
  }

  /** What shards know. */
  get all(): EndpointUpdate {
    return { upserts: [...this.told], removals: [] };
  }

  /** What shards are to be told of it: what is not otherwise than before is not told again. `full`: who is not among them is gone. */
  change({ upserts, removals }: EndpointUpdate, full: boolean): EndpointUpdate {
    const gone = new Set(full ? this.served.keys() : removals);
    const come: (readonly [string, Served])[] = [];
    for (const [key, served] of upserts) {
      gone.delete(key);
      if (isDeepStrictEqual(this.served.get(key), served)) continue;
      this.served.set(key, served);
      if (this.filters.length === 0) continue;
      const part = this.partOf(served);
      if (isDeepStrictEqual(this.told.get(key), part)) continue;
      this.told.set(key, part);
      come.push([key, part]);
    }
    for (const key of gone) this.served.delete(key);
    return { upserts: come, removals: [...gone].filter((key) => this.told.delete(key)) };
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
    for (const [key, served] of this.served) {
      const part = this.partOf(served);
      const known = this.told.get(key);
      if (known !== undefined && hasSameEndpoints(part, known)) continue;
      this.told.set(key, part);
      upserts.push([key, part]);
    }
    return { upserts, removals: [] };
  }

  private partOf(served: Served): Served {
    const { filters } = this;
    if (filters.includes(EVERY_ENDPOINT)) return served;
    const endpoints = served.endpoints.filter((endpoint) => filters.some((filter) => filter.takes(endpoint)));
    if (endpoints.length === served.endpoints.length) return served;
    const others = served.endpoints.filter((endpoint) => !endpoints.includes(endpoint));
    return { endpoints, dialling: others.filter(({ address }) => isOwnAddress(address)), admin: served.admin };
  }
}

const NOTHING: EndpointUpdate = Object.freeze({ upserts: [], removals: [] });

/** Both are parts of what one proxy serves. */
function hasSameEndpoints(a: Served, b: Served): boolean {
  return a.endpoints.length === b.endpoints.length && a.endpoints.every((endpoint, i) => endpoint === b.endpoints[i]);
}
