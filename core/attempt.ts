// One try to get an answer from one endpoint: takes a connection from its pool, sends the request as it comes, and
// passes the answer on. A failure goes to the exchange, which decides whether there is another attempt.

import type { Cluster } from './cluster/cluster.ts';
import type { Endpoint } from './cluster/endpoint.ts';
import type { Waiter } from './cluster/pool.ts';
import type { ClientConnection, Receiver, UpstreamStream } from './codec.ts';
import type { FailureCode } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Head } from './head.ts';
import { Timer } from './timers.ts';

/** Body bytes kept for a second attempt, or taken before there is a connection: who does not read, does not see a client go. */
const MAX_KEPT_BYTES = 64 << 10;
const NO_BODY: Buffer[] = [];

export class Attempt extends Timer implements Receiver, Waiter {
  readonly exchange: Exchange;
  readonly cluster: Cluster;
  endpoint: Endpoint | null = null;
  stream: UpstreamStream | null = null;
  /** Body that came before the connection did. */
  private pending: Buffer[] | null = null;
  private pendingBytes = 0;
  private ended: boolean;
  private trailers: Head | null = null;
  private finished = false;
  /** The body sent so far, for another attempt; null once it is more than may be kept, or must not be sent twice. */
  replay: Buffer[] | null;
  private bodyless: boolean;
  private replayBytes = 0;

  /** `ended`: the request has no body. `replayable`: the method allows it to be sent twice. */
  constructor(exchange: Exchange, cluster: Cluster, ended: boolean, replayable: boolean) {
    super();
    this.exchange = exchange;
    this.cluster = cluster;
    this.ended = ended;
    this.bodyless = ended;
    this.replay = !replayable ? null : ended ? NO_BODY : [];
  }

  /** `avoid`: the endpoint that failed before. */
  start(avoid: Endpoint | null): void {
    const { cluster } = this;
    if (cluster.resolve !== null) {
      cluster.resolve(() => {
        if (!this.finished) this.choose(avoid);
      });
      return;
    }
    this.choose(avoid);
  }

  private choose(avoid: Endpoint | null): void {
    const endpoint = this.cluster.pick(avoid);
    if (endpoint === null) {
      this.finish();
      this.exchange.attemptFailed(this, this.cluster.resolve === null ? 'no_healthy_upstream' : 'dns_failure', '');
      return;
    }
    this.endpoint = endpoint;
    this.exchange.lastEndpoint = endpoint;
    endpoint.active++;
    endpoint.requests++;
    this.cluster.active++;
    this.cluster.requests++;
    endpoint.pool.take(this.cluster, this);
  }

  /** Backing off is over. */
  expired(): void {
    this.start(this.exchange.failedEndpoint);
  }

  connected(connection: ClientConnection): void {
    const { exchange, pending } = this;
    const stream = connection.open(this);
    this.stream = stream;
    exchange.upstreamConnection = connection;
    const empty = this.ended && pending === null && this.trailers === null;
    stream.writeHead(exchange.requestHead, empty);
    if (pending !== null) {
      this.pending = null;
      for (let i = 0; i < pending.length; i++) {
        this.write(pending[i], this.ended && this.trailers === null && i === pending.length - 1);
      }
      exchange.resumeRequest();
    }
    if (this.trailers !== null && this.stream !== null) this.stream.writeTrailers(this.trailers);
  }

  failed(reason: FailureCode, text: string): void {
    this.finish();
    this.exchange.attemptFailed(this, reason, text);
  }

  /** More of the request's body. */
  data(chunk: Buffer, end: boolean): void {
    if (end) this.ended = true;
    if (this.replay !== null) this.keep(chunk);
    if (this.stream === null) {
      this.pending ??= [];
      this.pending.push(chunk);
      this.pendingBytes += chunk.length;
      if (this.pendingBytes > MAX_KEPT_BYTES) this.exchange.pauseRequest();
    } else this.write(chunk, end);
  }

  endWith(trailers: Head): void {
    this.ended = true;
    this.replay = null;
    if (this.stream === null) this.trailers = trailers;
    else this.stream.writeTrailers(trailers);
  }

  /** Hands the request's body over to another attempt. False: too much of it was sent and not kept. */
  moveTo(other: Attempt): boolean {
    if (this.stream !== null && this.replay === null && !this.bodyless) return false;
    other.pending =
      this.stream === null ? this.pending : this.replay !== null && this.replay.length > 0 ? [...this.replay] : null;
    other.replay = this.replay;
    other.replayBytes = this.replayBytes;
    other.ended = this.ended;
    other.bodyless = this.bodyless;
    other.trailers = this.trailers;
    return true;
  }

  get requestEnded(): boolean {
    return this.ended;
  }

  private keep(chunk: Buffer): void {
    this.replayBytes += chunk.length;
    if (this.replayBytes > MAX_KEPT_BYTES) this.replay = null;
    else this.replay!.push(chunk);
  }

  private write(chunk: Buffer, end: boolean): void {
    if (this.stream !== null && !this.stream.writeData(chunk, end)) this.exchange.pauseRequest();
  }

  onHead(head: Head, end: boolean): void {
    this.replay = null;
    if (end) this.finish();
    this.exchange.onUpstreamHead(head, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    if (end) this.finish();
    this.exchange.onUpstreamData(chunk, end);
  }

  onTrailers(trailers: Head): void {
    this.finish();
    this.exchange.onUpstreamTrailers(trailers);
  }

  onReset(reason: FailureCode): void {
    if (this.finished) return;
    if (this.endpoint !== null) this.endpoint.failures++;
    this.finish();
    this.exchange.attemptFailed(this, reason, '');
  }

  onWritable(): void {
    this.exchange.resumeRequest();
  }

  /** The exchange needs nothing more from this attempt. */
  cancel(): void {
    this.exchange.plane.timers.cancel(this);
    if (this.stream === null) this.endpoint?.pool.cancel(this);
    else if (!this.finished || !this.ended) this.stream.reset();
    this.finish();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    if (this.endpoint === null) return;
    this.endpoint.active--;
    this.cluster.active--;
  }
}
