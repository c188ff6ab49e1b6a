// The connections of one shard to one endpoint. A request is given a stream on the connection that had room last; others are
// opened for who waits, both within the cluster's limits. Knows nothing of HTTP: a connection says how many streams fit.

import type { FailureCode } from '../errors.ts';
import type { ClientConnection } from '../http/codec.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';

/** What a cluster allows its connections, per shard and endpoint. */
export interface ConnectionPolicy {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxPendingRequests: number;
  readonly maxRequestsPerConnection: number;
}

/** A cluster, as its endpoints' pools see it: several may lead to one endpoint. */
export interface PoolCluster {
  readonly policy: ConnectionPolicy;
  /** A request found too many waiting. */
  overflowed(): void;
}

/** The endpoint whose pool it is. */
export interface PoolEndpoint {
  readonly address: string;
  readonly port: number;
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
  expectedStreams(endpoint: PoolEndpoint): number;
  /** Opens a connection; calls one of the two once. Returns a function that gives up on it. */
  dial(
    endpoint: PoolEndpoint,
    opened: (connection: ClientConnection) => void,
    failed: (text: string) => void,
  ): () => void;
}

interface Pending {
  readonly waiter: Waiter;
  readonly cluster: PoolCluster;
}

export class Pool {
  private readonly environment: PoolEnvironment;
  private readonly endpoint: PoolEndpoint;
  /** Connections that have room, or had it when they were last looked at; the last one is the next to be given. */
  private readonly ready: PooledConnection[] = [];
  private readonly waiting: Pending[] = [];
  private readonly connecting = new Set<ConnectTimer>();
  private readonly open = new Set<PooledConnection>();
  /** How many of `open` take no further stream, and are in nobody's way. */
  private draining = 0;
  private retired = false;

  constructor(environment: PoolEnvironment, endpoint: PoolEndpoint) {
    this.environment = environment;
    this.endpoint = endpoint;
  }

  get connections(): number {
    return this.open.size;
  }

  get idleConnections(): number {
    return this.ready.filter(({ connection }) => connection.activeStreams === 0).length;
  }

  take(cluster: PoolCluster, waiter: Waiter): void {
    const { ready } = this;
    while (ready.length > 0) {
      const pooled = ready[ready.length - 1];
      const { capacity } = pooled.connection;
      // It stays ready as long as it has room for another one.
      if (capacity < 2) this.withdraw(pooled);
      if (capacity === 0) continue;
      this.give(pooled, cluster, waiter);
      return;
    }
    const { policy } = cluster;
    if (this.waiting.length >= policy.maxPendingRequests) {
      cluster.overflowed();
      waiter.failed('overflow', '');
      return;
    }
    this.waiting.push({ waiter, cluster });
    // By its own limits: who waits before it may be of a cluster that has reached a lower one.
    if (this.waiting.length > this.promised()) this.dialWithin(cluster);
  }

  /** The waiter lost interest. A connection that was opened for it becomes idle. */
  cancel(waiter: Waiter): void {
    const index = this.waiting.findIndex((pending) => pending.waiter === waiter);
    if (index >= 0) this.waiting.splice(index, 1);
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
    for (const attempt of this.connecting) attempt.abandon();
    this.connecting.clear();
    for (const { connection } of [...this.open]) connection.destroy();
  }

  private connect(cluster: PoolCluster): void {
    const attempt = new ConnectTimer(() => finish(null, 'connect timeout', 'connect_timeout'));
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
      } else this.adopt(connection, cluster);
      this.dialForWaiting();
    };
    this.connecting.add(attempt);
    this.environment.timers.arm(attempt.timer, cluster.policy.connectTimeoutMs);
    attempt.abandon = this.environment.dial(
      this.endpoint,
      (connection) => finish(connection, '', 'connect_failure'),
      (text) => finish(null, text, 'connect_failure'),
    );
  }

  private adopt(connection: ClientConnection, cluster: PoolCluster): void {
    const pooled = new PooledConnection(connection, cluster);
    this.open.add(pooled);
    connection.onAvailable = () => this.offer(pooled);
    connection.onDraining = () => this.drain(pooled);
    connection.onClosed = () => this.forget(pooled);
    this.offer(pooled);
  }

  private give(pooled: PooledConnection, cluster: PoolCluster, waiter: Waiter): void {
    this.environment.timers.silence(pooled.timer);
    pooled.cluster = cluster;
    pooled.requests++;
    if (pooled.usedUp && pooled.ready) this.withdraw(pooled);
    waiter.connected(pooled.connection);
  }

  /** It has room: who waits gets it, else it is kept. */
  private offer(pooled: PooledConnection): void {
    const { connection } = pooled;
    while (connection.capacity > 0) {
      if (pooled.usedUp) {
        this.drain(pooled);
        return;
      }
      const next = this.waiting.shift();
      if (next === undefined) {
        this.keep(pooled);
        return;
      }
      this.give(pooled, next.cluster, next.waiter);
    }
  }

  private keep(pooled: PooledConnection): void {
    const idle = pooled.connection.activeStreams === 0;
    if (idle && this.retired) {
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
    if (pooled.draining) this.draining--;
    this.environment.timers.cancel(pooled.timer);
    this.withdraw(pooled);
    this.dialForWaiting();
  }

  /** Streams that connections on their way are counted on for. */
  private promised(): number {
    return this.connecting.size === 0 ? 0 : this.connecting.size * this.environment.expectedStreams(this.endpoint);
  }

  /**
   * A connection did not come: it was for some of those who wait, and where none is open everybody who has no other on its
   * way had counted on it.
   */
  private failWaiting(reason: FailureCode, text: string): void {
    const without = Math.max(1, this.waiting.length - this.promised());
    const lost =
      this.open.size > this.draining ? Math.min(without, this.environment.expectedStreams(this.endpoint)) : without;
    for (const { waiter } of this.waiting.splice(0, lost)) waiter.failed(reason, text);
  }

  /** A place became free, or a connection did not bring what somebody had counted on. */
  private dialForWaiting(): void {
    const first = this.waiting[0];
    if (first !== undefined && this.waiting.length > this.promised()) this.dialWithin(first.cluster);
  }

  private dialWithin(cluster: PoolCluster): void {
    const taken = this.open.size - this.draining + this.connecting.size;
    if (taken < cluster.policy.maxConnections) this.connect(cluster);
  }
}

class PooledConnection implements TimerOwner {
  readonly timer = new Timer(this);
  readonly connection: ClientConnection;
  /** Who was given it last. */
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
  private readonly onExpired: () => void;

  constructor(onExpired: () => void) {
    this.onExpired = onExpired;
  }

  expired(): void {
    this.onExpired();
  }
}
