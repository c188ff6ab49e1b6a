// HTTP/1.1 on an accepted connection: requests in order to the handler, answers in the same order back. Decides when the
// connection may be used again and when only closing it is safe. Routes nothing and answers nothing by itself.

import type { FailureCode } from '../errors.ts';
import type { Codec, ServerConnection, ServerHandler, ServerOptions } from '../http/codec.ts';
import { type Head, isSafe } from '../http/head.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import { enter, leave } from '../transport/outbox.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { LINGER_MS, MAX_DISCARD, STALL_MS, WAIT } from './limits.ts';
import { OpenTunnel } from './open-tunnel.ts';
import { HOLD_BODY, HOLD_CLOSED, HOLD_PIPELINE, HOLD_UPGRADE, MessageReader, type ReaderSink } from './reader.ts';
import { Pipeline, ServerStream, type ServerStreamOwner } from './server-stream.ts';
import { NO_BODY, type Reading, readRequestHead, requestFacts } from './strict.ts';
import type { TunnelHandler } from './tunnel.ts';

export const serve: Codec['serve'] = (...connection) => new Http1ServerConnection(...connection);

export class Http1ServerConnection
  implements ServerConnection, TransportOwner, ServerStreamOwner, ReaderSink, IntakeOwner, TimerOwner
{
  readonly transport: Transport;
  onClosed: (() => void) | null = null;
  finEndsAll = true;
  private readonly handler: ServerHandler & Partial<TunnelHandler>;
  private readonly options: ServerOptions;
  private readonly reader: MessageReader;
  private readonly intake: Intake;
  private readonly pipeline = new Pipeline();
  /** The stream whose request's body is being read. */
  private reading: ServerStream | null = null;
  /** A request that must not overlap with the ones before it: it is given to the handler when they are done. */
  private waiting: Head | null = null;
  private discarded = 0;
  private tunnel: OpenTunnel | null = null;
  private destination: string | null;
  private wait: number = WAIT.NOTHING;
  private readonly timer = new Timer(this);
  private draining = false;
  private idleMs: number;
  /** No request will be taken any more; the connection closes when `front` is done. */
  private closing = false;
  private finSent = false;
  private unflushed = 0;
  private closed = false;

  constructor(transport: Transport, handler: ServerHandler & Partial<TunnelHandler>, options: ServerOptions) {
    this.transport = transport;
    this.handler = handler;
    this.options = options;
    this.destination = options.destination ?? null;
    this.reader = new MessageReader(this, options, true);
    this.intake = new Intake(transport, this.reader, this);
    transport.start(this);
    this.idleMs = options.idleTimeoutMs;
    this.waitFor(WAIT.IDLE, this.idleMs);
  }

  get activeStreams(): number {
    return this.tunnel?.carried?.activeStreams ?? this.pipeline.size;
  }

  drain(graceMs: number): void {
    this.tunnel?.carried?.drain(graceMs);
    this.draining = true;
    this.idleMs = graceMs;
    if (this.wait === WAIT.IDLE) this.waitFor(WAIT.IDLE, graceMs);
  }

  destroy(): void {
    if (this.closed) return;
    this.intake.discardAll();
    this.transport.destroy();
  }

  receive(piece: Buffer): void {
    this.intake.receive(piece);
  }

  onEnd(): void {
    this.intake.receiveFin();
  }

  onLastByte(): void {
    if ((this.reader.holds & HOLD_CLOSED) !== 0) {
      if (this.finSent || this.pipeline.front === null) this.close();
      return;
    }
    if (!this.finEndsAll) {
      // Of what the connection was upgraded to, either end may say its last before the other.
      this.reader.finish();
      return;
    }
    if (this.reader.inBody || this.pipeline.front !== null) {
      // As Envoy and nginx see it: who closes is gone, and an upstream must not work for nobody.
      this.dropStreams();
      this.destroy();
      return;
    }
    const end = this.reader.finish();
    if (end === 'cut') this.refuse('bad_request', null, false);
    else if (end === 'clean') this.close();
  }

  onClose(): void {
    this.closed = true;
    this.options.timers.cancel(this.timer);
    enter();
    this.intake.discardAll();
    this.dropStreams();
    this.onClosed?.();
    leave();
  }

  parseHead(bytes: Buffer, start: number, end: number): Reading {
    return readRequestHead(bytes, start, end, this.options, this.options.mode);
  }

  onHeadStarted(): void {
    this.waitFor(WAIT.HEAD, this.options.headerTimeoutMs);
  }

  onHeadRead(): number {
    const facts = requestFacts;
    const head = facts.head!;
    const { end } = facts;
    if (this.wait !== WAIT.NOTHING) this.waitFor(WAIT.NOTHING, 0);
    const stream = new ServerStream(this, head.method, facts.http10, facts.keepAlive, this.destination);
    stream.expectsContinue = head.expectContinue;
    stream.requestDone = facts.body === NO_BODY;
    stream.upgrade = head.upgrade;
    this.reader.expectBody(facts.body, head.contentLength);
    if (!stream.requestDone) this.reading = stream;
    if (head.upgrade !== '') this.reader.holds |= HOLD_UPGRADE;
    const first = this.pipeline.add(stream);
    if (facts.refused !== '') {
      if (facts.refused === 'unknown_expectation' && !stream.requestDone) stream.keepAlive = false;
      this.handler.onMalformed(stream, facts.refused, head);
      this.holdPipeline(stream);
    } else if (first || (isSafe(head.method) && stream.requestDone && this.pipeline.allSafe))
      this.dispatch(stream, head);
    else {
      this.waiting = head;
      this.reader.holds |= HOLD_PIPELINE;
    }
    return end;
  }

  private dispatch(stream: ServerStream, head: Head): void {
    if (head.method === 'CONNECT') {
      this.connect(stream, head);
      return;
    }
    const receiver = this.handler.onRequest(stream, head, stream.requestDone);
    if (stream.dead) return;
    if (!stream.done) stream.receiver = receiver;
    this.holdPipeline(stream);
  }

  /** The client wants to speak to this authority: in TLS, or by requests for it, whatever they say of where they go. */
  private connect(stream: ServerStream, head: Head): void {
    const failure = this.handler.onConnect === undefined ? 'connect_refused' : this.handler.onConnect(head);
    if (failure === null) {
      this.destination = head.authority;
      this.tunnel = new OpenTunnel(head.authority);
      stream.acceptTunnel();
      this.intake.hold(HOLD_PIPELINE);
    } else {
      this.handler.onMalformed(stream, failure, head);
      this.holdPipeline(stream);
    }
  }

  afterReading(): void {
    const { tail } = this.reader;
    if (tail === null || this.tunnel?.untold !== true) return;
    if (!this.tunnel.begin(tail, this.transport, this.handler, () => this.onClosed?.())) {
      this.intake.release(HOLD_PIPELINE);
      return;
    }
    this.intake.leave();
    this.waitFor(WAIT.NOTHING, 0);
    if (this.draining) this.tunnel.carried!.drain(this.idleMs);
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const stream = this.reading;
    if (stream === null) return;
    // It does not wait, or no longer.
    stream.expectsContinue = false;
    if (end) this.requestRead(stream);
    if (stream.receiver !== null && !stream.done) stream.receiver.onData(chunk, end);
    else if (!end) this.discard(chunk.length);
    if (end) this.afterRequest(stream);
  }

  onBodyTrailers(trailers: Head): void {
    const stream = this.reading;
    if (stream === null) return;
    this.requestRead(stream);
    if (stream.receiver !== null && !stream.done) stream.receiver.onTrailers(trailers);
    this.afterRequest(stream);
  }

  onViolation(reason: FailureCode | null): void {
    if (reason !== null) this.refuse(reason, requestFacts.head, requestFacts.http10);
    else this.refuseBody();
  }

  /** No request can be read from this connection any more; what was wrong is answered in its turn. */
  private refuse(reason: FailureCode, head: Head | null, http10: boolean): void {
    this.closing = true;
    this.reader.holds |= HOLD_CLOSED;
    const stream = new ServerStream(this, head?.method ?? '', http10 && head !== null, false, this.destination);
    stream.requestDone = true;
    this.pipeline.add(stream);
    this.handler.onMalformed(stream, reason, head);
    if (this.pipeline.front === stream) this.waitFor(WAIT.REST, this.options.headerTimeoutMs);
  }

  /** A body that breaks its framing. Its owner may still answer, unless it has begun to. */
  private refuseBody(): void {
    this.closing = true;
    const stream = this.reading;
    this.reading = null;
    if (stream === null || stream.done) {
      this.close();
      return;
    }
    stream.keepAlive = false;
    stream.requestDone = true;
    const { receiver } = stream;
    stream.receiver = null;
    receiver?.onReset('bad_request');
    if (!stream.done) this.cutOff(stream, false);
  }

  /** Stops reading ahead when the requests in progress must not be overtaken or are enough. */
  private holdPipeline(stream: ServerStream): void {
    if (stream.done || !stream.requestDone) return;
    if (!stream.keepAlive || !isSafe(stream.method) || this.pipeline.ahead >= this.options.maxStreams) {
      this.reader.holds |= HOLD_PIPELINE;
    }
  }

  private requestRead(stream: ServerStream): void {
    this.reading = null;
    stream.requestDone = true;
    stream.expectsContinue = false;
  }

  private afterRequest(stream: ServerStream): void {
    if (stream.dead) return;
    if (stream.done) this.advance();
    else this.holdPipeline(stream);
  }

  /** Asked by a stream before it writes its head: may another request follow on this connection? */
  mayGoOnAfter(stream: ServerStream, end: boolean): boolean {
    if ((this.draining || this.closing) && this.pipeline.ahead === 0) return false;
    return !(end && stream === this.reading && this.reader.bodyRemaining > MAX_DISCARD);
  }

  /** The stream's answer is complete (its request perhaps not). */
  answered(stream: ServerStream): void {
    stream.receiver = null;
    if (stream.requestDone) {
      this.advance();
      return;
    }
    this.discarded = 0;
    if (!stream.keepAlive || this.reader.bodyRemaining > MAX_DISCARD) this.close();
    else {
      this.waitFor(WAIT.REST, this.options.headerTimeoutMs);
      this.intake.release(HOLD_BODY);
    }
  }

  private discard(size: number): void {
    this.discarded += size;
    if (this.discarded > MAX_DISCARD) this.close();
  }

  /** The front is answered and read: the next one's turn, or the end. */
  private advance(): void {
    while (this.pipeline.front?.done && this.pipeline.front.requestDone) {
      const last = this.pipeline.shift();
      // An answer that began before this connection had to go said nothing of it: another request may be on its way.
      if (!last.keepAlive || (this.pipeline.front === null && this.closing)) {
        this.close();
        return;
      }
      if (this.pipeline.front !== null) {
        this.pipeline.front.takeTurn();
        if (this.waiting !== null && this.pipeline.ahead === 0) this.dispatchWaiting();
      }
    }
    if (this.finSent) return;
    const { reader, options } = this;
    if ((reader.holds & HOLD_PIPELINE) !== 0 && this.waiting === null && this.pipeline.mayGrow(options.maxStreams)) {
      this.intake.release(HOLD_PIPELINE);
    }
    if (this.pipeline.front === null && this.wait !== WAIT.HEAD) this.waitFor(WAIT.IDLE, this.idleMs);
  }

  private dispatchWaiting(): void {
    const head = this.waiting!;
    this.waiting = null;
    const { requestDone } = this.pipeline.front!;
    this.dispatch(this.pipeline.front!, head);
    if (!requestDone) this.intake.release(HOLD_PIPELINE);
  }

  onDrain(): void {
    const { front } = this.pipeline;
    if (front !== null && !front.done) front.receiver?.onWritable();
  }

  upgraded(): void {
    this.finEndsAll = false;
    this.intake.release(HOLD_UPGRADE);
  }

  pauseBody(stream: ServerStream): void {
    if (stream !== this.reading || stream.done || (this.reader.holds & HOLD_BODY) !== 0) return;
    this.intake.hold(HOLD_BODY);
  }

  resumeBody(stream: ServerStream): void {
    if (stream !== this.reading || (this.reader.holds & HOLD_BODY) === 0) return;
    this.intake.release(HOLD_BODY);
  }

  /** An answer that cannot be completed: the client sees a connection that closes in the middle of it. */
  cutOff(stream: ServerStream, abrupt: boolean): void {
    if (stream.dead) return;
    stream.dead = true;
    stream.receiver = null;
    if (this.closed) return;
    this.intake.discardAll();
    this.transport.out.flush();
    // A body that ends with the connection must not look complete.
    if (abrupt) this.transport.reset();
    else this.transport.destroy();
  }

  /** FIN after what was written; then the client's bytes are thrown away until it closes too. */
  private close(): void {
    this.closing = true;
    this.intake.discardAll();
    this.dropStreams();
    if (this.closed || this.finSent) return;
    this.finSent = true;
    this.transport.end();
    this.waitForFlush();
  }

  /** Nobody is there to be answered. */
  onWriteFailed(): void {
    this.destroy();
  }

  onFinish(): void {
    this.waitFor(WAIT.FIN, LINGER_MS);
  }

  private dropStreams(): void {
    this.reading = null;
    this.waiting = null;
    this.pipeline.drop('client_gone');
  }

  /** A slow client may take its time as long as it takes something. */
  private waitForFlush(): void {
    this.unflushed = this.transport.out.remaining;
    this.waitFor(WAIT.FLUSH, STALL_MS);
  }

  private waitFor(what: number, ms: number): void {
    if (this.closed) return;
    this.wait = what;
    if (what === WAIT.NOTHING) this.options.timers.silence(this.timer);
    else this.options.timers.arm(this.timer, ms);
  }

  expired(): void {
    const { wait } = this;
    this.wait = WAIT.NOTHING;
    enter();
    if (wait === WAIT.IDLE) {
      if (this.pipeline.front === null) this.close();
    } else if (wait === WAIT.HEAD) {
      this.refuse('header_timeout', null, false);
    } else if (wait === WAIT.REST) this.close();
    else if (wait === WAIT.FLUSH && this.transport.out.remaining < this.unflushed) this.waitForFlush();
    else this.destroy();
    leave();
  }
}
