// One request and its answer, from the head's arrival to the one end where log, metrics and connections are settled.
// It joins the downstream stream, the filters and the attempts; core/proxy.ts gives the stages, which decide what is decided.

import type { Endpoint } from '../cluster/endpoint.ts';
import { FAILURES, type FailureCode, flagBit } from '../errors.ts';
import { hostPort } from '../host-port.ts';
import type { DownstreamStream, Receiver } from '../http/codec.ts';
import { Head } from '../http/head.ts';
import type { Claims } from '../router/claims.ts';
import type { Route, Target, VirtualHost } from '../router/route.ts';
import type { ListenerContext, ShardContext } from '../shard/context.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { sinceTurn, Timer, type TimerOwner, turnTime } from '../timers.ts';
import type { Connection, ConnectionFacts, TlsFacts } from '../transport/transport.ts';
import type { Workload } from '../workload.ts';
import type { Attempt, AttemptOwner } from './attempt.ts';
import type { LocalReply } from './filter.ts';
import { FilterManager, type FilterManagerCallbacks } from './filter-manager.ts';
import { GrpcMessages } from './grpc-messages.ts';
import { failureResponse, type LocalResponse, replyResponse } from './local-reply.ts';
import { BY_PEER, type ReadDisable } from './read-disable.ts';
import type { ExchangeRecord } from './record.ts';
import type { ExchangeStages } from './stages.ts';

/** As Envoy's stream_idle_timeout. */
const IDLE_MS = 300_000;
const NO_HEAD = new Head(Buffer.alloc(0));
type Stages = ExchangeStages<Exchange>;

export class Exchange implements Receiver, AttemptOwner, FilterManagerCallbacks, TimerOwner {
  private readonly stages: Stages;
  readonly shard: ShardContext;
  readonly listener: ListenerContext;
  readonly snapshot: Snapshot;
  stream: DownstreamStream;
  readonly requestHead: Head;
  readonly started: number;
  host: VirtualHost | null = null;
  route: Route | null = null;
  covered = 0;
  claims: Claims | null = null;
  target: Target | null = null;
  attempt: Attempt | null = null;
  attempts = 0;
  /** The route's or what the request asked for instead; 0: none. */
  timeoutMs = 0;

  // What is recorded.
  source: Workload | null = null;
  sourcePrincipal = '';
  requestId = '';
  originalPath: string | null = null;
  responseHead: Head | null = null;
  responseTrailers: Head | null = null;
  requestEndMs = -1;
  responseStartMs = -1;
  durationMs = -1;
  upstreamServiceMs = -1;
  bytesReceived = 0;
  bytesSent = 0;
  messages: GrpcMessages | null;
  responseCode = 0;
  responseCodeDetails = '';
  flags = 0;
  upstreamConnection: ConnectionFacts | null = null;
  upstreamTls: TlsFacts | null = null;
  upstreamTransportFailure = '';
  /** The last one that an attempt chose. */
  lastEndpoint: Endpoint | null = null;

  private filters: FilterManager | null = null;
  routeStale = false;
  private forwardedMs = 0;
  requestEnded: boolean;
  private requestReadDisabled: ReadDisable = 0;
  private responseReadDisabled: ReadDisable = 0;
  private responseStarted = false;
  private responseEnded = false;
  private local = false;
  private ended = false;
  private readonly timer = new Timer(this);
  private lastActivity: number;
  private deadline = 0;

  constructor(stages: Stages, listener: ListenerContext, stream: DownstreamStream, head: Head | null, end: boolean) {
    const { shard } = listener;
    this.stages = stages;
    this.shard = shard;
    this.listener = listener;
    this.snapshot = shard.snapshot;
    this.stream = stream;
    this.requestHead = head ?? NO_HEAD;
    this.requestEnded = end;
    this.messages = stream.protocol === 'HTTP/2' ? GrpcMessages.of(this.requestHead) : null;
    this.started = turnTime();
    this.lastActivity = shard.timers.tick;
    if (end) this.requestEndMs = 0;
    shard.timers.arm(this.timer, IDLE_MS);
    shard.active++;
  }

  get direction(): ExchangeRecord['direction'] {
    return this.listener.spec.kind;
  }
  get connection(): Connection {
    return this.stream.connection;
  }
  get protocol(): string {
    return this.stream.protocol;
  }
  /** Since something of the request or of its answer last came. */
  get silentMs(): number {
    return this.shard.timers.since(this.lastActivity);
  }
  get startTime(): number {
    return performance.timeOrigin + this.started;
  }
  get virtualHostName(): string {
    return this.host?.name ?? '';
  }
  get routeName(): string {
    return this.route?.name ?? '';
  }
  get clusterName(): string {
    return this.target?.clusterName ?? '';
  }
  get clusterEndpoints(): number {
    return this.target?.cluster?.endpoints.length ?? 0;
  }
  get upstreamHost(): string {
    return this.lastEndpoint?.key ?? '';
  }
  get upstreamLocalAddress(): string {
    const { upstreamConnection: connection } = this;
    return connection === null ? '' : hostPort(connection.localAddress, connection.localPort);
  }
  get destinationService(): string {
    return this.target?.cluster?.spec.service ?? this.host?.service ?? '';
  }
  get destinationPort(): number {
    return this.target?.cluster?.spec.port ?? this.host?.port ?? 0;
  }
  get destination(): Workload | null {
    return this.direction === 'inbound' ? this.shard.node : (this.lastEndpoint?.workload ?? null);
  }

  // The request, on its way in.

  /** Through the filters of its route, then to the upstream. */
  enterFilters(): void {
    const { chain } = this.route!;
    if (chain.filters.length === 0) this.forward(this.requestEnded);
    else {
      this.filters = new FilterManager(this, chain);
      this.filters.head('request', this.requestEnded);
    }
  }

  /** The request has passed its filters. */
  forward(end: boolean): void {
    if (this.ended || this.responseStarted || this.local) return;
    if (this.filters !== null) this.forwardedMs = performance.now() - this.started;
    const failure = this.routeStale ? this.stages.route(this) : null;
    if (failure === null) this.stages.upstream(this, end);
    else this.fail(failure);
  }

  onData(chunk: Buffer, end: boolean): void {
    this.lastActivity = this.shard.timers.tick;
    this.bytesReceived += chunk.length;
    this.messages?.received.add(chunk);
    this.requestHead.expectContinue = false;
    if (end) this.requestHasEnded();
    if (this.filters === null) this.forwardData(chunk, end);
    else this.filters.body('request', chunk, end);
    if (end) this.settle();
  }

  onTrailers(trailers: Head): void {
    this.requestHasEnded();
    if (this.filters === null) this.forwardTrailers(trailers);
    else this.filters.trailers('request', trailers);
    this.settle();
  }

  forwardData(chunk: Buffer, end: boolean): void {
    this.attempt?.data(chunk, end);
  }

  forwardTrailers(trailers: Head): void {
    this.attempt?.endWith(trailers);
  }

  pauseRequest(by: ReadDisable): void {
    this.requestReadDisabled |= by;
    if (!this.requestEnded) this.stream.pauseReading();
  }

  resumeRequest(by: ReadDisable): void {
    this.requestReadDisabled &= ~by;
    if (this.requestReadDisabled === 0 && !this.requestEnded) this.stream.resumeReading();
  }

  pauseResponse(by: ReadDisable): void {
    this.responseReadDisabled |= by;
    this.attempt?.stream?.pauseReading();
  }

  resumeResponse(by: ReadDisable): void {
    this.responseReadDisabled &= ~by;
    if (this.responseReadDisabled === 0) this.attempt?.stream?.resumeReading();
  }

  /** The route's time-out runs from the end of the request, as in Envoy. */
  startDeadline(timeoutMs: number): void {
    const { timers } = this.shard;
    this.deadline = timers.tick + Math.ceil(timeoutMs / timers.tickMs) + 1;
    timers.arm(this.timer, Math.min(timeoutMs, IDLE_MS));
  }

  private requestHasEnded(): void {
    this.requestEnded = true;
    this.requestEndMs = turnTime() - this.started;
    if (this.timeoutMs > 0) this.startDeadline(this.timeoutMs);
  }

  chooseRouteAgain(): void {
    this.stages.route(this);
  }

  // The answer, on its way back.

  /** Filters see none of these. */
  onUpstreamInterim(head: Head): void {
    if (this.ended || this.responseStarted || this.local) return;
    this.lastActivity = this.shard.timers.tick;
    if (head.status === 100) this.requestHead.expectContinue = false;
    if (!this.stream.writeInterim(head)) this.pauseResponse(BY_PEER);
  }

  onUpstreamHead(head: Head, end: boolean): void {
    if (this.ended) return;
    this.lastActivity = this.shard.timers.tick;
    this.responseStartMs = turnTime() - this.started;
    this.upstreamServiceMs = Math.floor(this.responseStartMs - this.forwardedMs);
    this.responseCode = head.status;
    this.responseCodeDetails = 'via_upstream';
    this.stages.response(this, head);
    this.responseHead = head;
    if (this.filters === null) this.sendHead(head, end);
    else this.filters.head('response', end);
  }

  onUpstreamData(chunk: Buffer, end: boolean): void {
    if (this.ended || this.local) return;
    this.lastActivity = this.shard.timers.tick;
    if (this.filters === null) this.sendData(chunk, end);
    else this.filters.body('response', chunk, end);
  }

  onUpstreamTrailers(trailers: Head): void {
    if (this.ended || this.local) return;
    this.responseTrailers = trailers;
    if (this.filters === null) this.sendTrailers(trailers);
    else this.filters.trailers('response', trailers);
  }

  /** The last attempt ended without a whole answer. */
  attemptFailed(reason: FailureCode): void {
    this.fail(this.responseStarted ? 'reset_after_response' : reason);
  }

  /** Answers with a failure, or cuts the answer off when it has begun. */
  fail(reason: FailureCode): void {
    if (this.ended) return;
    const { flag, details } = FAILURES[reason];
    if (flag !== null) this.flags |= flagBit(flag);
    if (this.responseStarted || reason === 'reset_after_response') {
      this.responseCodeDetails = details;
      this.cut();
    } else this.answer(failureResponse(reason, this.requestHead, this.upstreamTransportFailure));
  }

  /** A filter or a route answers. */
  reply(reply: LocalReply): void {
    if (this.ended) return;
    if (this.responseStarted) this.cut();
    else this.answer(replyResponse(reply, this.requestHead));
  }

  /** A filter replaces the answer that it sees; null when its head is already on the wire (then it is cut off). */
  replaceResponse(reply: LocalReply): LocalResponse | null {
    if (this.responseStarted) {
      this.cut();
      return null;
    }
    const answer = replyResponse(reply, this.requestHead);
    this.takeOver(answer);
    return answer;
  }

  private answer(answer: LocalResponse): void {
    this.takeOver(answer);
    const bodyless = answer.body.length === 0;
    // Filters that have seen an answer see no other: it would wait behind what they hold of the first.
    const filters = this.filters?.answered === false ? this.filters : null;
    if (filters === null) this.sendHead(answer.head, bodyless);
    else filters.head('response', bodyless);
    if (bodyless || this.ended) return;
    if (filters === null) this.sendData(answer.body, true);
    else filters.body('response', answer.body, true);
  }

  /** From here on the answer is ours. */
  private takeOver(answer: LocalResponse): void {
    this.local = true;
    this.attempt?.cancel();
    this.responseCodeDetails = answer.details;
    this.responseHead = answer.head;
    this.stages.localResponse(this, answer.head);
    this.responseCode = answer.head.status;
  }

  /** The answer has passed its filters. */
  sendHead(head: Head, end: boolean): void {
    if (this.ended || this.responseStarted) return;
    this.responseStarted = true;
    this.responseCode = head.status;
    this.stream.writeHead(head, end);
    if (end) this.responseHasEnded();
  }

  sendData(chunk: Buffer, end: boolean): void {
    if (this.ended || this.responseEnded) return;
    this.bytesSent += chunk.length;
    this.messages?.sent.add(chunk);
    if (!this.stream.writeData(chunk, end)) this.pauseResponse(BY_PEER);
    if (end) this.responseHasEnded();
  }

  sendTrailers(trailers: Head): void {
    if (this.ended || this.responseEnded) return;
    this.stream.writeTrailers(trailers);
    this.responseHasEnded();
  }

  onWritable(): void {
    this.resumeResponse(BY_PEER);
  }

  // The end.

  /** The client is gone, or broke the protocol in the middle of its body. */
  onReset(reason: FailureCode): void {
    if (this.ended) return;
    if (this.responseStarted || reason === 'client_gone') {
      this.flags |= flagBit(FAILURES[reason].flag ?? 'DC');
      this.responseCodeDetails = FAILURES[reason].details;
      if (!this.responseStarted) this.responseCode = 0;
      this.finish();
    } else this.fail(reason);
  }

  /** Too late to answer: the client sees that it did not get everything. */
  cut(): void {
    if (this.ended) return;
    this.stream.reset();
    this.finish();
  }

  /** The wheel: either the route's time is up, or nothing moved for too long. */
  expired(): void {
    const { timers } = this.shard;
    const left = this.deadline === 0 ? IDLE_MS : (this.deadline - timers.tick) * timers.tickMs;
    const idle = this.silentMs;
    if (left <= 0) this.fail('request_timeout');
    else if (idle >= IDLE_MS) this.fail('stream_idle');
    else timers.arm(this.timer, Math.min(left, IDLE_MS - idle));
  }

  private responseHasEnded(): void {
    this.responseEnded = true;
    this.settle();
  }

  /** Over when the answer is out: what is left of the request is the codec's to drain or to refuse. */
  private settle(): void {
    if (this.responseEnded && !this.ended) this.finish();
  }

  private finish(): void {
    this.ended = true;
    this.shard.active--;
    this.shard.timers.cancel(this.timer);
    this.attempt?.cancel();
    this.durationMs = sinceTurn(this.started);
    this.filters?.end();
    this.stages.ended(this);
  }
}
