// A cluster's limits of connections, of requests, and of those that wait for a connection, over all of its endpoints and all shards, as Envoy's
// circuit breakers. A connection counts for the cluster that it was given to last. Where all places are taken, idle
// connections make room for who waits at another endpoint or in another shard.

import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import { CONNECTIONS, REQUESTS, type SharedCounts, WAITING } from './shared-limits.ts';

export interface Limits {
  readonly maxConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxPendingRequests: number;
  /** Requests that may be under way. */
  readonly maxRequests: number;
}

/** What a cluster's limits know of other shards. */
export interface LimitSource {
  readonly timers: Timers;
  /** Null: no other shard counts. */
  counts(cluster: string): SharedCounts | null;
}

/** A pool in which connections of the cluster may be, or somebody waits for one. */
export interface LimitedPool {
  /** Closes an idle connection of the cluster with these limits, if there is one. */
  giveUpIdle(limits: ClusterLimits): boolean;
  /** A place may be free. */
  dialForWaiting(): void;
}

/** Ends of connections in other shards are looked for this often, by those who wait for one or have one to give. */
const LOOK_MS = 40;

export class ClusterLimits implements TimerOwner {
  private readonly source: LimitSource | null;
  private is: Limits;
  private shared: SharedCounts | null = null;
  private connections = 0;
  private waiting = 0;
  private requests = 0;
  /** Pools with their connections of this cluster. */
  private readonly holders = new Map<LimitedPool, number>();
  /** Pools in which somebody waits and no further connection may be opened. */
  private readonly blocked = new Set<LimitedPool>();
  private readonly timer = new Timer(this);

  /** `source` null: this shard is alone. */
  constructor(limits: Limits, source: LimitSource | null) {
    this.is = limits;
    this.source = source;
  }

  /** `own`: they are the cluster's, and not those that any cluster has. */
  configure(limits: Limits, cluster: string, own: boolean): void {
    this.is = limits;
    if (own && this.shared === null && this.source !== null) {
      this.shared = this.source.counts(cluster);
      this.shared?.add(CONNECTIONS, this.connections);
      this.shared?.add(WAITING, this.waiting);
      this.shared?.add(REQUESTS, this.requests);
    }
    while (this.tooMany && this.makeRoom());
    this.resume();
  }

  /** One more connection; false: there are as many as there may be. */
  connect(pool: LimitedPool): boolean {
    const most = this.is.maxConnections;
    if (this.shared === null ? this.connections >= most : !this.shared.take(CONNECTIONS, most)) return false;
    this.connections++;
    this.holders.set(pool, (this.holders.get(pool) ?? 0) + 1);
    this.lookLater();
    return true;
  }

  /** A connection is gone, or another cluster's. */
  disconnect(pool: LimitedPool): void {
    this.connections--;
    this.shared?.add(CONNECTIONS, -1);
    const left = this.holders.get(pool)! - 1;
    if (left === 0) this.holders.delete(pool);
    else this.holders.set(pool, left);
    this.resume();
  }

  /** One more request waits; false: as many wait as may. */
  wait(): boolean {
    const most = this.is.maxPendingRequests;
    if (this.shared === null ? this.waiting >= most : !this.shared.take(WAITING, most)) return false;
    this.waiting++;
    return true;
  }

  endWait(): void {
    this.waiting--;
    this.shared?.add(WAITING, -1);
  }

  /** One more request is under way; false: as many are as may be. */
  request(): boolean {
    const most = this.is.maxRequests;
    if (this.shared === null ? this.requests >= most : !this.shared.take(REQUESTS, most)) return false;
    this.requests++;
    return true;
  }

  endRequest(): void {
    this.requests--;
    this.shared?.add(REQUESTS, -1);
  }

  /** Somebody waits in this pool, and no connection may be opened: told to look again when one may. */
  block(pool: LimitedPool): void {
    this.blocked.add(pool);
    this.makeRoom();
    this.lookLater();
  }

  /** A connection that becomes idle is in the way: there are more than there may be, or somebody waits for its place. */
  get wantsRoom(): boolean {
    return this.tooMany || this.blocked.size > 0 || this.wantedElsewhere;
  }

  private get tooMany(): boolean {
    return (this.shared?.sum(CONNECTIONS) ?? this.connections) > this.is.maxConnections;
  }

  private get wantedElsewhere(): boolean {
    const { shared } = this;
    if (shared === null) return false;
    return shared.sum(WAITING) > this.waiting && shared.sum(CONNECTIONS) >= this.is.maxConnections;
  }

  private makeRoom(): boolean {
    for (const pool of this.holders.keys()) if (pool.giveUpIdle(this)) return true;
    return false;
  }

  private resume(): void {
    if (this.blocked.size === 0) return;
    const pools = [...this.blocked];
    this.blocked.clear();
    for (const pool of pools) pool.dialForWaiting();
  }

  private lookLater(): void {
    if (this.shared !== null && this.timer.due === 0) this.source!.timers.arm(this.timer, LOOK_MS);
  }

  expired(): void {
    if (this.blocked.size > 0) this.resume();
    else if (this.wantedElsewhere) this.makeRoom();
    if (this.connections > 0 || this.blocked.size > 0) this.lookLater();
  }
}
