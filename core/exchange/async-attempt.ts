// How what a filter sends of its own, a call or a stream, comes to a connection: admitted by the cluster, to an endpoint, from its pool.

import type { Admission, Cluster } from '../cluster/cluster.ts';
import type { Pool, Waiter } from '../cluster/pool.ts';
import { FAILURES, type FailureCode } from '../errors.ts';
import type { ClientConnection, UpstreamStream } from '../http/codec.ts';
import type { Timers } from '../timers.ts';
import type { Protocol } from '../transport/protocol.ts';

/** Bytes of all that waits on this shard in calls and streams of filters. */
export const MAX_COLLECTED_BYTES = 64 << 20;

/** What the calls and streams of one shard share. */
export interface Collection {
  readonly timers: Timers;
  bytes: number;
}

export abstract class AsyncAttempt implements Waiter {
  protected readonly collection: Collection;
  protected readonly cluster: Cluster;
  protected admission: Admission | null = null;
  protected stream: UpstreamStream | null = null;
  private pool: Pool | null = null;

  protected constructor(collection: Collection, cluster: Cluster) {
    this.collection = collection;
    this.cluster = cluster;
  }

  abstract connected(connection: ClientConnection): void;

  failed(reason: FailureCode, text: string): void {
    this.fail(text === '' ? FAILURES[reason].details : text);
  }

  /** Nobody waits for it any more. */
  protected abstract isOver(): boolean;
  protected abstract protocol(): Protocol;
  protected abstract fail(failure: string): void;

  /** As soon as it is known where the cluster is. */
  protected enter(): void {
    if (this.cluster.resolve === null) this.attempt();
    else this.cluster.resolve(() => this.attempt());
  }

  protected attempt(): void {
    if (this.isOver()) return;
    this.admission = this.cluster.admit();
    if (!this.admission.begin()) {
      this.failed('overflow', '');
      return;
    }
    const endpoint = this.admission.enter(null);
    if (endpoint === null) {
      this.failed(this.cluster.resolve === null ? 'no_healthy_upstream' : 'dns_failure', '');
      return;
    }
    const { proxyProtocol } = this.cluster.policy;
    this.pool =
      proxyProtocol === null
        ? endpoint.poolOf(this.protocol())
        : endpoint.poolFor(this.protocol(), proxyProtocol, null);
    this.pool.take(this.cluster, this);
  }

  /** Gives back what the cluster counts. */
  protected leave(): void {
    if (this.stream === null) this.pool?.cancel(this);
    this.admission?.ended();
  }
}
