// The connections of one shard to one endpoint, or of one client of it there. A request is given a stream on the connection that had room last; others are
// opened for who waits, both within the cluster's limits. Knows nothing of HTTP: a connection says how many streams fit.

import type { FailureCode } from '../errors.ts';
import type { ClientConnection } from '../http/codec.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type { Protocol } from '../transport/protocol.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { ConnectionPolicy } from './connection-policy.ts';
import type { EndpointTls } from './endpoint-tls.ts';
import type { ClusterLimits, LimitedPool } from './limits.ts';

/** A cluster, as its endpoints' pools see it: several may lead to one endpoint. */
export interface PoolCluster {
  readonly policy: ConnectionPolicy;
  readonly limits: ClusterLimits;
  /** A request found too many waiting. */
  overflowed(): void;
}

/** The endpoint whose pool it is. */
export interface PoolEndpoint {
  readonly address: string;
  readonly port: number;
  readonly tls: EndpointTls | null;
  /** Who should answer, when the mesh knows. */
  readonly workload: WorkloadEndpoint | null;
  /** A connection did not come. */
  hasFailed(): void;
}

/** Who wants a stream. Exactly one of the two is called, perhaps before `take` returns. */
export interface Waiter {
  /** Opens one stream, before it returns. */
  connected(connection: ClientConnection): void;
  /** `text`: what the system said, for the log: 'connect ECONNREFUSED 127.0.0.1:9'. */
  failed(reason: FailureCode, text: string): void;
}

export interface PoolEnvironment {
  readonly timers: Timers;
  /** Streams that a connection is counted on for, before it is there and says itself. */
  expectedStreams(protocol: Protocol): number;
  /** Opens a connection that speaks this, after `header`; calls one of the two once. Returns a function that gives up on it. */
  dial(
    endpoint: PoolEndpoint,
    opened: (connection: ClientConnection) => void,
    failed: (text: string) => void,
    protocol: Protocol,
    header: Buffer | null,
  ): () => void;
}

interface Pending {
  readonly waiter: Waiter;
  readonly cluster: PoolCluster;
}

export class Pool implements LimitedPool {
  /** Told when there is nothing and nobody in it any more. */
  onUnused: (() => void) | null = null;
  private readonly environment: PoolEnvironment;
  private readonly endpoint: PoolEndpoint;
  private readonly protocol: Protocol;
  private readonly header: Buffer | null;
  /** Connections that have room, or had it when they were last looked at; the last one is the next to be given. */
  private readonly ready: PooledConnection[] = [];
  private readonly waiting: Pending[] = [];
  private readonly connecting = new Set<ConnectTimer>();
  private readonly open = new Set<PooledConnection>();
  /** How many of `open` take no further stream, and are in nobody's way. */
  private draining = 0;
  /** Streams that a connection is counted on for: as many as the last one had room for. */
  private streams: number;
  private retired = false;

  /** `header`: what its connections begin with. */
  constructor(environment: PoolEnvironment, endpoint: PoolEndpoint, protocol: Protocol, header: Buffer | null = null) {
    this.environment = environment;
    this.endpoint = endpoint;
    this.protocol = protocol;
    this.header = header;
    this.streams = environment.expectedStreams(protocol);
  }

  get connections(): number {
    return this.open.size;
  }

  get idleConnections(): number {
    return this.ready.filter(({ connection }) => connection.activeStreams === 0).length;
  }

  take(cluster: PoolCluster, waiter: Waiter): void {
    const pooled = this.readyFor(cluster);
    if (pooled !== null) {
      // It stays ready as long as it has room for another one.
      if (pooled.room < 2) this.withdraw(pooled);
      this.give(pooled, waiter);
      return;
    }
    if (!cluster.limits.wait()) {
      cluster.overflowed();
      waiter.failed('overflow', '');
      this.tellUnused();
      return;
    }
    this.waiting.push({ waiter, cluster });
    // By its own limits: who waits before it may be of a cluster that has reached a lower one.
    if (this.waiting.length > this.promised()) this.dialWithin(cluster);
  }

  /** The waiter lost interest. A connection that was opened for it becomes idle. */
  cancel(waiter: Waiter): void {
    const index = this.waiting.findIndex((pending) => pending.waiter === waiter);
    if (index >= 0) this.called(index);
    this.tellUnused();
  }

  giveUpIdle(limits: ClusterLimits): boolean {
    for (const pooled of this.ready) {
      if (pooled.cluster.limits !== limits || pooled.connection.activeStreams > 0) continue;
      this.close(pooled);
      return true;
    }
    return false;
  }

  /** The endpoint left the mesh: idle connections close now, busy ones and those on their way when nobody needs them. */
  retire(): void {
    this.retired = true;
    for (const pooled of [...this.ready]) {
      if (pooled.connection.activeStreams === 0) this.close(pooled);
    }
  }

  /** The endpoint is wanted again. */
  revive(): void {
    this.retired = false;
  }

  destroy(): void {
    for (const attempt of this.connecting) {
      this.environment.timers.cancel(attempt.timer);
      attempt.abandon();
      attempt.cluster.limits.disconnect(this);
    }
    this.connecting.clear();
    for (const { connection } of [...this.open]) connection.destroy();
  }

  /** The connection that was ready last, if it may be this cluster's. */
  private readyFor(cluster: PoolCluster): PooledConnection | null {
    const { ready } = this;
    for (let i = ready.length - 1; i >= 0; i--) {
      const pooled = ready[i];
      if (pooled.room <= 0) this.withdraw(pooled);
      else if (this.belongs(pooled, cluster)) return pooled;
    }
    return null;
  }

  /** It counts for this cluster from now on; false: that has as many as it may have. */
  private belongs(pooled: PooledConnection, cluster: PoolCluster): boolean {
    if (pooled.cluster === cluster) return true;
    if (!cluster.limits.connect(this)) return false;
    const { limits } = pooled.cluster;
    pooled.cluster = cluster;
    limits.disconnect(this);
    return true;
  }

  private called(index: number): Pending {
    const [pending] = this.waiting.splice(index, 1);
    pending.cluster.limits.endWait();
    return pending;
  }

  /** Counted already. */
  private connect(cluster: PoolCluster): void {
    const attempt = new ConnectTimer(cluster, () => finish(null, 'connect timeout', 'connect_timeout'));
    const finish = (connection: ClientConnection | null, text: string, reason: FailureCode): void => {
      if (!this.connecting.delete(attempt)) {
        connection?.destroy();
        return;
      }
      this.environment.timers.cancel(attempt.timer);
      if (connection === null) {
        attempt.abandon();
        this.endpoint.hasFailed();
        this.failWaiting(reason, text);
        cluster.limits.disconnect(this);
      } else this.adopt(connection, cluster);
      this.dialForWaiting();
      this.tellUnused();
    };
    this.connecting.add(attempt);
    this.environment.timers.arm(attempt.timer, cluster.policy.connectTimeoutMs);
    attempt.abandon = this.environment.dial(
      this.endpoint,
      (connection) => finish(connection, '', 'connect_failure'),
      (text) => finish(null, text, 'connect_failure'),
      this.protocol,
      this.header,
    );
  }

  private adopt(connection: ClientConnection, cluster: PoolCluster): void {
    const pooled = new PooledConnection(connection, cluster);
    this.open.add(pooled);
    this.streams = connection.capacity;
    const { keepAlive } = cluster.policy;
    if (keepAlive !== null) connection.keepAliveBy?.(keepAlive, this.environment.timers);
    connection.onAvailable = () => this.offer(pooled);
    connection.onDraining = () => this.drain(pooled);
    connection.onClosed = () => this.forget(pooled);
    this.offer(pooled);
  }

  private give(pooled: PooledConnection, waiter: Waiter): void {
    this.environment.timers.silence(pooled.timer);
    pooled.requests++;
    if (pooled.usedUp && pooled.ready) this.withdraw(pooled);
    waiter.connected(pooled.connection);
  }

  /** It has room: who waits gets it, else it is kept. */
  private offer(pooled: PooledConnection): void {
    while (pooled.room > 0) {
      if (pooled.usedUp) {
        this.drain(pooled);
        return;
      }
      const next = this.nextFor(pooled);
      if (next === null) {
        this.keep(pooled);
        return;
      }
      this.give(pooled, next.waiter);
    }
  }

  /** The first of those who wait whose cluster may have it. */
  private nextFor(pooled: PooledConnection): Pending | null {
    const { waiting } = this;
    for (let i = 0; i < waiting.length; i++) if (this.belongs(pooled, waiting[i].cluster)) return this.called(i);
    return null;
  }

  private keep(pooled: PooledConnection): void {
    const idle = pooled.connection.activeStreams === 0;
    if (idle && (this.retired || pooled.cluster.limits.wantsRoom)) {
      this.close(pooled);
      return;
    }
    if (!pooled.ready) {
      pooled.ready = true;
      this.ready.push(pooled);
    }
    if (idle) this.environment.timers.arm(pooled.timer, pooled.cluster.policy.idleTimeoutMs);
  }

  /** It is given no further stream, and another connection may take its place. It closes after its open ones. */
  private drain(pooled: PooledConnection): void {
    if (pooled.connection.activeStreams === 0) {
      this.close(pooled);
      return;
    }
    if (pooled.draining) return;
    pooled.draining = true;
    this.draining++;
    this.withdraw(pooled);
    pooled.cluster.limits.disconnect(this);
    this.dialForWaiting();
  }

  private close(pooled: PooledConnection): void {
    this.withdraw(pooled);
    pooled.connection.destroy();
  }

  private withdraw(pooled: PooledConnection): void {
    if (!pooled.ready) return;
    pooled.ready = false;
    const { ready } = this;
    if (ready[ready.length - 1] === pooled) ready.pop();
    else ready.splice(ready.indexOf(pooled), 1);
  }

  private forget(pooled: PooledConnection): void {
    this.open.delete(pooled);
    this.environment.timers.cancel(pooled.timer);
    this.withdraw(pooled);
    if (pooled.draining) this.draining--;
    else pooled.cluster.limits.disconnect(this);
    this.dialForWaiting();
    this.tellUnused();
  }

  private tellUnused(): void {
    if (this.open.size + this.connecting.size + this.waiting.length === 0) this.onUnused?.();
  }

  /** Streams that connections on their way are counted on for. */
  private promised(): number {
    let streams = 0;
    for (const { cluster } of this.connecting) streams += this.expected(cluster);
    return streams;
  }

  private expected({ policy }: PoolCluster): number {
    return Math.min(this.streams, policy.maxConcurrentStreams);
  }

  /**
   * A connection did not come: it was for some of those who wait, and where none is open everybody who has no other on its
   * way had counted on it.
   */
  private failWaiting(reason: FailureCode, text: string): void {
    const without = Math.max(1, this.waiting.length - this.promised());
    const lost = this.open.size > this.draining ? Math.min(without, this.streams) : without;
    const failed = this.waiting.splice(0, lost);
    for (const { cluster } of failed) cluster.limits.endWait();
    for (const { waiter } of failed) waiter.failed(reason, text);
  }

  /** A place became free, or a connection did not bring what somebody had counted on. */
  dialForWaiting(): void {
    let missing = this.waiting.length - this.promised();
    if (missing <= 0) return;
    const full = new Set<PoolCluster>();
    for (const { cluster } of this.waiting) {
      if (full.has(cluster)) continue;
      if (!this.dialWithin(cluster)) full.add(cluster);
      else {
        missing -= this.expected(cluster);
        if (missing <= 0) return;
      }
    }
  }

  private dialWithin(cluster: PoolCluster): boolean {
    const { limits } = cluster;
    if (!limits.connect(this)) {
      limits.block(this);
      return false;
    }
    this.connect(cluster);
    return true;
  }
}

class PooledConnection implements TimerOwner {
  readonly timer = new Timer(this);
  readonly connection: ClientConnection;
  /** Who was given it last: it counts for it. */
  cluster: PoolCluster;
  /** Streams that it was given. */
  requests = 0;
  /** It is among the ready ones. */
  ready = false;
  draining = false;

  constructor(connection: ClientConnection, cluster: PoolCluster) {
    this.connection = connection;
    this.cluster = cluster;
  }

  /** Streams that it may be given now. */
  get room(): number {
    const { capacity, activeStreams } = this.connection;
    return Math.min(capacity, this.cluster.policy.maxConcurrentStreams - activeStreams);
  }

  get usedUp(): boolean {
    return this.requests >= this.cluster.policy.maxRequestsPerConnection;
  }

  /** Idle for too long. */
  expired(): void {
    this.connection.destroy();
  }
}

class ConnectTimer implements TimerOwner {
  readonly timer = new Timer(this);
  abandon: () => void = () => {};
  readonly cluster: PoolCluster;
  readonly expired: () => void;

  constructor(cluster: PoolCluster, expired: () => void) {
    this.cluster = cluster;
    this.expired = expired;
  }
}
