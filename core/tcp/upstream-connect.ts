// A connection to some endpoint of a cluster, for a client whose bytes wait: one endpoint after the other until one takes it,
// within the cluster's limits. Nothing has been sent before, so that no attempt repeats anything.

import type { Admission, Cluster } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { LimitedPool } from '../cluster/limits.ts';
import type { FailureCode } from '../errors.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import { type Origin, writeProxyHeader } from '../transport/proxy-header.ts';
import type { Transport } from '../transport/transport.ts';

/** What a shard gives to connections that are carried as bytes. */
export interface ConnectEnvironment {
  readonly timers: Timers;
  /** Opens a connection to the endpoint, in mutual TLS where it takes that, which begins with `header`. Returns what gives up on it. */
  connect(
    endpoint: Endpoint,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
    header: Buffer | null,
  ): () => void;
}

/** Who wants it: one of the two is called, once, perhaps before `start` returns. */
export interface ConnectOwner {
  connected(transport: Transport): void;
  /** `text`: what the system said: 'connect ECONNREFUSED 127.0.0.1:9'; ''. `spent`: no further endpoint is tried. */
  connectFailed(reason: FailureCode, text: string, spent: boolean): void;
}

/** Endpoints that are tried for one connection. */
const MAX_ATTEMPTS = 3;

/** Connections are held by who opened them: there is none to give up, and nobody waits for one. */
const NO_POOL: LimitedPool = { giveUpIdle: () => false, dialForWaiting: () => undefined };

export class UpstreamConnect implements TimerOwner {
  readonly cluster: Cluster;
  /** The one tried last. */
  endpoint: Endpoint | null = null;
  attempts = 0;
  private readonly environment: ConnectEnvironment;
  private readonly owner: ConnectOwner;
  private readonly header: Buffer | null;
  private readonly timer = new Timer(this);
  private admission: Admission | null = null;
  private tried: Endpoint[] | null = null;
  private counted = false;
  private over = false;
  private abandon: () => void = () => undefined;

  /** `client`: for whom it is. */
  constructor(environment: ConnectEnvironment, cluster: Cluster, owner: ConnectOwner, client: Origin) {
    const { proxyProtocol } = cluster.policy;
    this.environment = environment;
    this.cluster = cluster;
    this.owner = owner;
    this.header = proxyProtocol === null ? null : writeProxyHeader(proxyProtocol, client);
  }

  start(): void {
    const { cluster } = this;
    if (cluster.resolve === null) {
      this.attempt();
      return;
    }
    cluster.resolve(() => {
      if (!this.over) this.attempt();
    });
  }

  /** The connection is over, or is wanted no more. */
  end(): void {
    if (this.over) return;
    this.over = true;
    const { abandon } = this;
    this.stop();
    abandon();
    this.admission?.ended();
    if (this.counted) this.cluster.limits.disconnect(NO_POOL);
  }

  expired(): void {
    const { abandon } = this;
    this.failed('connect_timeout', 'connect timeout');
    abandon();
  }

  private attempt(): void {
    const { cluster, environment } = this;
    if (!this.counted) {
      if (!cluster.limits.connect(NO_POOL)) {
        cluster.overflowed();
        this.giveUp('overflow', '', false);
        return;
      }
      this.counted = true;
    }
    const admission = this.attempts === 0 ? cluster.admit() : cluster.admitRetry(false);
    this.admission = admission;
    const endpoint = admission.enter(this.tried);
    if (endpoint === null) {
      this.giveUp(cluster.resolve === null ? 'no_healthy_upstream' : 'dns_failure', '', false);
      return;
    }
    this.endpoint = endpoint;
    const nth = ++this.attempts;
    environment.timers.arm(this.timer, cluster.policy.connectTimeoutMs);
    this.abandon = environment.connect(
      endpoint,
      (transport) => {
        if (this.over || nth !== this.attempts || this.timer.due === 0) {
          transport.destroy();
          return;
        }
        this.stop();
        this.owner.connected(transport);
      },
      (text) => {
        if (!this.over && nth === this.attempts && this.timer.due !== 0) this.failed('connect_failure', text);
      },
      this.header,
    );
  }

  private failed(reason: FailureCode, text: string): void {
    const { cluster, endpoint } = this;
    this.stop();
    this.admission!.failed();
    this.tried = [...(this.tried ?? []), endpoint!];
    const others = cluster.endpoints.some((other) => !this.tried!.includes(other));
    if (this.attempts < MAX_ATTEMPTS && others) this.attempt();
    else this.giveUp(reason, text, true);
  }

  private giveUp(reason: FailureCode, text: string, spent: boolean): void {
    this.end();
    this.owner.connectFailed(reason, text, spent);
  }

  private stop(): void {
    this.environment.timers.cancel(this.timer);
    this.abandon = () => undefined;
  }
}
