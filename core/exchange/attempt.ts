// One try to get an answer from one endpoint: takes a connection from its pool, sends the request as it comes, and
// passes the answer on. When it fails, or its answer is a failure, the retry policy says whether another one takes over.

import { ON_ANSWER, sendsTwice } from '../builtins/retry/conditions.ts';
import { backoff, type RetryPolicy } from '../builtins/retry/policy.ts';
import { type AttemptFacts, afterAnswer, afterFailure, type RetryVerdict } from '../builtins/retry/verdict.ts';
import type { Admission, Cluster } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { Pool, Waiter } from '../cluster/pool.ts';
import { type FailureCode, flagBit } from '../errors.ts';
import type { ClientConnection, ResponseReceiver, UpstreamStream } from '../http/codec.ts';
import { FieldName, type Head, isIdempotent } from '../http/head.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { ConnectionFacts, TlsFacts } from '../transport/transport.ts';
import { BY_PEER, type ReadDisable } from './read-disable.ts';
import { type Waiting, welcomeBody } from './welcome.ts';

export const ATTEMPT_COUNT = new FieldName('x-envoy-attempt-count');

/** Body bytes taken before there is a connection: who does not read, does not see a client go. */
const MAX_PENDING_BYTES = 64 << 10;
/** An answer that nobody wants is read to its end, to keep the connection, if that is no more and no later. */
const MAX_DRAINED_BYTES = 64 << 10;
const MAX_DRAINED_MS = 1000;
const NO_BODY: Buffer[] = [];

/** What an attempt asks of the exchange that it is made for. */
export interface AttemptOwner extends Waiting {
  readonly direction: 'inbound' | 'outbound' | 'gateway';
  readonly shard: { readonly timers: Timers; random(): number };
  /** The one under way. */
  attempt: Attempt | null;
  /** Begun so far. */
  attempts: number;
  readonly silentMs: number;
  /** The client's. */
  readonly connection: ConnectionFacts;
  /** The client's: 'HTTP/1.1', 'HTTP/2'. */
  readonly protocol: string;
  flags: number;
  lastEndpoint: Endpoint | null;
  upstreamConnection: ConnectionFacts | null;
  upstreamTls: TlsFacts | null;
  /** What the system said of a connection that failed; ''. */
  upstreamTransportFailure: string;
  pauseRequest(by: ReadDisable): void;
  resumeRequest(by: ReadDisable): void;
  onUpstreamHead(head: Head, end: boolean): void;
  onUpstreamData(chunk: Buffer, end: boolean): void;
  onUpstreamTrailers(trailers: Head): void;
  /** The last attempt ended without a whole answer. */
  attemptFailed(reason: FailureCode): void;
}

export class Attempt implements ResponseReceiver, Waiter, TimerOwner, AttemptFacts {
  readonly exchange: AttemptOwner;
  readonly cluster: Cluster;
  private readonly admission: Admission;
  readonly policy: RetryPolicy;
  /** Bits of retry/conditions.ts on which another attempt follows; none any more once an answer was passed on. */
  conditions: number;
  stream: UpstreamStream | null = null;
  /** Where it waits for a connection, or has got it. */
  private pool: Pool | null = null;
  /** What the timer is for: the pause before it, the time-out of one try, or what is left of an unwanted answer. */
  private phase: 'pausing' | 'trying' | 'draining' = 'pausing';
  private timer: Timer | null = null;
  /** Endpoints that failed this request before. */
  private tried: Endpoint[] | null = null;
  /** Body that came before the connection did. */
  private pending: Buffer[] | null = null;
  private pendingBytes = 0;
  private ended: boolean;
  private trailers: Head | null = null;
  /** The body sent so far, for another attempt; null once it is more than may be kept, or must not be sent twice. */
  private replay: Buffer[] | null;
  private replayBytes = 0;
  private bodyless: boolean;
  private drainedBytes = 0;

  /** `ended`: the request has no body. */
  constructor(
    exchange: AttemptOwner,
    cluster: Cluster,
    policy: RetryPolicy,
    ended: boolean,
    admission = cluster.admit(),
  ) {
    this.exchange = exchange;
    this.cluster = cluster;
    this.admission = admission;
    this.policy = policy;
    this.conditions = isIdempotent(exchange.requestHead.method) ? policy.idempotent : policy.always;
    this.ended = ended;
    this.bodyless = ended;
    if (ended) this.replay = NO_BODY;
    else {
      const streams = cluster.protocolFor(exchange.protocol) !== 'http/1.1';
      this.replay = sendsTwice(this.conditions, streams) ? [] : null;
    }
  }

  /** The whole request, as far as it has come, is still there to be sent by another attempt. */
  get repeatable(): boolean {
    return this.bodyless || this.stream === null || this.replay !== null;
  }

  get sent(): boolean {
    return this.stream === null || this.stream.sent;
  }

  get mayBeRace(): boolean {
    return this.stream?.reused === true && !this.stream.answered;
  }

  get counted(): boolean {
    return this.admission.counted;
  }

  get attempts(): number {
    return this.exchange.attempts;
  }

  get silentMs(): number {
    return this.exchange.silentMs;
  }

  start(): void {
    this.phase = 'trying';
    const { cluster } = this;
    if (cluster.resolve !== null) {
      cluster.resolve(() => {
        if (!this.admission.over) this.choose();
      });
      return;
    }
    this.choose();
  }

  private choose(): void {
    if (!this.admission.begin()) {
      this.fail('overflow', '', false);
      return;
    }
    const endpoint = this.admission.enter(this.tried);
    if (endpoint === null) {
      this.fail(this.cluster.resolve === null ? 'no_healthy_upstream' : 'dns_failure', '', false);
      return;
    }
    this.exchange.lastEndpoint = endpoint;
    // What comes of an upgrade has its connection to itself.
    const alone = this.exchange.requestHead.upgrade !== '';
    const protocol = alone ? 'http/1.1' : this.cluster.protocolFor(this.exchange.protocol);
    const { proxyProtocol } = this.cluster.policy;
    this.pool =
      proxyProtocol === null
        ? endpoint.poolOf(protocol)
        : endpoint.poolFor(protocol, proxyProtocol, this.exchange.connection);
    this.pool.take(this.cluster, this);
  }

  expired(): void {
    switch (this.phase) {
      case 'pausing':
        this.start();
        return;
      case 'trying':
        this.stream!.reset();
        this.fail('per_try_timeout', '', true);
        return;
      case 'draining':
        this.stream!.reset();
    }
  }

  connected(connection: ClientConnection): void {
    const { exchange, pending } = this;
    const stream = connection.open(this);
    this.stream = stream;
    exchange.upstreamConnection = stream.connection;
    exchange.upstreamTls = stream.connection.tls;
    if (this.admission.endpoint!.http10) welcomeBody(exchange);
    const empty = this.ended && pending === null && this.trailers === null;
    stream.writeHead(exchange.requestHead, empty);
    if (pending !== null) {
      this.pending = null;
      for (let i = 0; i < pending.length; i++) {
        this.write(pending[i], this.ended && this.trailers === null && i === pending.length - 1);
      }
      exchange.resumeRequest(BY_PEER);
    }
    if (this.trailers !== null) stream.writeTrailers(this.trailers);
    if (this.ended) this.startTimeout();
  }

  failed(reason: FailureCode, text: string): void {
    this.fail(reason, text, false);
  }

  /** More of the request's body. */
  data(chunk: Buffer, end: boolean): void {
    if (end) this.ended = true;
    if (this.replay !== null) this.keep(chunk);
    if (this.stream === null) {
      retainBytes();
      this.pending ??= [];
      this.pending.push(chunk);
      this.pendingBytes += chunk.length;
      if (this.pendingBytes > MAX_PENDING_BYTES) this.exchange.pauseRequest(BY_PEER);
      return;
    }
    this.write(chunk, end);
    if (end) this.startTimeout();
  }

  endWith(trailers: Head): void {
    this.ended = true;
    this.trailers = trailers;
    if (this.stream === null) return;
    this.stream.writeTrailers(trailers);
    this.startTimeout();
  }

  private keep(chunk: Buffer): void {
    this.replayBytes += chunk.length;
    if (this.replayBytes > this.policy.replayBytes) this.replay = null;
    else {
      retainBytes();
      this.replay!.push(chunk);
    }
  }

  private write(chunk: Buffer, end: boolean): void {
    if (this.stream !== null && !this.stream.writeData(chunk, end)) this.exchange.pauseRequest(BY_PEER);
  }

  private arm(ms: number): void {
    this.timer ??= new Timer(this);
    this.exchange.shard.timers.arm(this.timer, ms);
  }

  /** From the end of the request on, as the route's time-out. */
  private startTimeout(): void {
    const { perTryTimeoutMs } = this.policy;
    if (perTryTimeoutMs > 0 && !this.admission.over) this.arm(perTryTimeoutMs);
  }

  onInterim(head: Head): void {
    if (this.phase !== 'draining') this.exchange.onUpstreamInterim(head);
  }

  onHead(head: Head, end: boolean): void {
    this.admission.endpoint!.http10 = this.stream!.http10;
    if ((this.conditions & ON_ANSWER) !== 0) {
      const verdict = afterAnswer(this, head, end);
      if (this.isFollowed(verdict)) {
        this.discard(head, end);
        this.tryAgain(verdict);
        return;
      }
    }
    this.conditions = 0;
    this.replay = null;
    this.disarm();
    if (end) this.admission.succeeded();
    this.exchange.onUpstreamHead(head, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.phase === 'draining') {
      this.drain(chunk, end);
      return;
    }
    if (end) this.succeed();
    this.exchange.onUpstreamData(chunk, end);
  }

  onTrailers(trailers: Head): void {
    if (this.phase === 'draining') {
      this.disarm();
      return;
    }
    this.succeed();
    this.exchange.onUpstreamTrailers(trailers);
  }

  onReset(reason: FailureCode): void {
    if (this.phase === 'draining') this.disarm();
    if (!this.admission.over) this.fail(reason, '', true);
  }

  onWritable(): void {
    this.exchange.resumeRequest(BY_PEER);
  }

  /** `faulty`: the endpoint had the request. */
  private fail(reason: FailureCode, text: string, faulty: boolean): void {
    const { exchange, admission } = this;
    exchange.upstreamTransportFailure = text;
    const verdict = afterFailure(this, reason);
    const followed = this.isFollowed(verdict);
    this.disarm();
    if (faulty) admission.failed();
    else admission.ended();
    if (followed) this.tryAgain(verdict);
    else exchange.attemptFailed(reason);
  }

  /** False: this attempt was the last, for a reason that is counted and flagged. */
  private isFollowed(verdict: RetryVerdict): boolean {
    if (verdict === 'limit' || verdict === 'overflow') {
      this.exchange.flags |= flagBit(verdict === 'limit' ? 'URX' : 'UO');
      this.cluster.refuseRetry(verdict);
      return false;
    }
    return verdict !== 'no';
  }

  private tryAgain(verdict: RetryVerdict): void {
    const { exchange, cluster, policy } = this;
    const { endpoint } = this.admission;
    const next = new Attempt(exchange, cluster, policy, this.ended, cluster.admitRetry(verdict === 'counted'));
    next.pending =
      this.stream === null ? this.pending : this.replay !== null && this.replay.length > 0 ? [...this.replay] : null;
    next.replay = this.replay;
    next.replayBytes = this.replayBytes;
    next.bodyless = this.bodyless;
    next.trailers = this.trailers;
    exchange.attempt = next;
    const retry = exchange.attempts++;
    if (exchange.direction !== 'inbound') exchange.requestHead.put(ATTEMPT_COUNT, String(exchange.attempts));
    if (verdict === 'at-once') {
      next.start();
      return;
    }
    if (policy.otherHosts && endpoint !== null) next.tried = [...(this.tried ?? []), endpoint];
    next.arm(backoff(policy, retry, exchange.shard.random));
  }

  /** The answer is a failure that is followed by another attempt: nobody gets it. */
  private discard(head: Head, end: boolean): void {
    this.succeed();
    // With both of its sides over, the connection goes back to the pool by itself.
    if (end && this.ended) return;
    if (!this.ended || head.contentLength > MAX_DRAINED_BYTES) {
      this.stream!.reset();
      return;
    }
    this.phase = 'draining';
    this.arm(MAX_DRAINED_MS);
  }

  private drain(chunk: Buffer, end: boolean): void {
    this.drainedBytes += chunk.length;
    const tooMuch = this.drainedBytes > MAX_DRAINED_BYTES;
    if (end || tooMuch) this.disarm();
    if (!end && tooMuch) this.stream!.reset();
  }

  /** The exchange needs nothing more from this attempt. */
  cancel(): void {
    const { admission, stream } = this;
    if (stream === null) this.pool?.cancel(this);
    else if (!admission.over || !this.ended) stream.reset();
    this.disarm();
    admission.ended();
  }

  /** The whole answer came. */
  private succeed(): void {
    this.disarm();
    this.admission.succeeded();
  }

  private disarm(): void {
    if (this.timer !== null) this.exchange.shard.timers.cancel(this.timer);
  }
}
