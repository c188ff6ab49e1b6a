// The connections of one shard to one endpoint: idle ones are reused last-in first-out, new ones are opened for who
// waits, both within the cluster's limits. Knows nothing of HTTP: a codec says when a connection is available.

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

/** Who wants a connection. Exactly one of the two is called, perhaps before `take` returns. */
export interface Waiter {
  connected(connection: ClientConnection): void;
  /** `text`: what the system said, for the log: 'connect ECONNREFUSED 127.0.0.1:9'. */
  failed(reason: FailureCode, text: string): void;
}

export interface PoolEnvironment {
  readonly timers: Timers;
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
  private readonly idle: PooledConnection[] = [];
  private readonly waiting: Pending[] = [];
  private readonly connecting = new Set<ConnectTimer>();
  private readonly open = new Set<PooledConnection>();
  private retired = false;

  constructor(environment: PoolEnvironment, endpoint: PoolEndpoint) {
    this.environment = environment;
    this.endpoint = endpoint;
  }

  get connections(): number {
    return this.open.size;
  }

  get idleConnections(): number {
    return this.idle.length;
  }

  take(cluster: PoolCluster, waiter: Waiter): void {
    while (this.idle.length > 0) {
      const pooled = this.idle.pop()!;
      this.environment.timers.silence(pooled.timer);
      if (!pooled.connection.available) continue;
      pooled.used(cluster);
      waiter.connected(pooled.connection);
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
    if (this.waiting.length > this.connecting.size) this.dialWithin(cluster);
  }

  /** The waiter lost interest. A connection that was opened for it becomes idle. */
  cancel(waiter: Waiter): void {
    const index = this.waiting.findIndex((pending) => pending.waiter === waiter);
    if (index >= 0) this.waiting.splice(index, 1);
  }

  /** The endpoint left the mesh: idle connections close now, busy ones and those on their way when nobody needs them. */
  retire(): void {
    this.retired = true;
    for (const pooled of this.idle.splice(0)) pooled.close();
  }

  /** The endpoint is wanted again. */
  revive(): void {
    this.retired = false;
  }

  destroy(): void {
    for (const attempt of this.connecting) attempt.abandon();
    this.connecting.clear();
    for (const pooled of [...this.open]) pooled.close();
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
        this.dialForWaiting();
        return;
      }
      this.adopt(connection, cluster);
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
    connection.onAvailable = () => this.release(pooled);
    connection.onClosed = () => this.forget(pooled);
    this.release(pooled);
  }

  private release(pooled: PooledConnection): void {
    if (!pooled.connection.available) return;
    if (pooled.requests >= pooled.cluster.policy.maxRequestsPerConnection) {
      pooled.close();
      return;
    }
    const next = this.waiting.shift();
    if (next !== undefined) {
      pooled.used(next.cluster);
      next.waiter.connected(pooled.connection);
      return;
    }
    if (this.retired) {
      pooled.close();
      return;
    }
    this.idle.push(pooled);
    this.environment.timers.arm(pooled.timer, pooled.cluster.policy.idleTimeoutMs);
  }

  private forget(pooled: PooledConnection): void {
    this.open.delete(pooled);
    this.environment.timers.cancel(pooled.timer);
    const index = this.idle.indexOf(pooled);
    if (index >= 0) this.idle.splice(index, 1);
    this.dialForWaiting();
  }

  /**
   * A connection did not come: it was for one of those who wait, and where none is open everybody who has no other on its
   * way had counted on it.
   */
  private failWaiting(reason: FailureCode, text: string): void {
    const lost = this.open.size > 0 ? 1 : Math.max(1, this.waiting.length - this.connecting.size);
    for (const { waiter } of this.waiting.splice(0, lost)) waiter.failed(reason, text);
  }

  /** A place became free, or a connection that somebody counted on did not come. */
  private dialForWaiting(): void {
    const first = this.waiting[0];
    if (first !== undefined && this.waiting.length > this.connecting.size) this.dialWithin(first.cluster);
  }

  private dialWithin(cluster: PoolCluster): void {
    if (this.open.size + this.connecting.size < cluster.policy.maxConnections) this.connect(cluster);
  }
}

class PooledConnection implements TimerOwner {
  readonly timer = new Timer(this);
  readonly connection: ClientConnection;
  cluster: PoolCluster;
  requests = 0;

  constructor(connection: ClientConnection, cluster: PoolCluster) {
    this.connection = connection;
    this.cluster = cluster;
  }

  used(cluster: PoolCluster): void {
    this.cluster = cluster;
    this.requests++;
  }

  /** Idle for too long. */
  expired(): void {
    this.close();
  }

  close(): void {
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
