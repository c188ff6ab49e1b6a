// HTTP/1.1 on a connection to an upstream, one request at a time. Reads answers strictly, and offers itself again
// only when both directions ended cleanly. Chooses no endpoint and retries nothing: that is the pool's and the router's.

import type { FailureCode } from '../errors.ts';
import type { ClientConnection, ClientOptions, ResponseReceiver, UpstreamStream } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import { enter, leave } from '../transport/outbox.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { ClientStream, type ClientStreamOwner } from './client-stream.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { MAX_INTERIM } from './limits.ts';
import { HOLD_BODY, HOLD_CLOSED, HOLD_PIPELINE, MessageReader, type ReaderSink } from './reader.ts';
import { NO_BODY, type Reading, readResponseHead, responseFacts } from './strict.ts';

/** `connect` of the codec. */
export function connect(transport: Transport, options: ClientOptions): ClientConnection {
  return new Http1ClientConnection(transport, options);
}

export class Http1ClientConnection
  implements ClientConnection, TransportOwner, ClientStreamOwner, ReaderSink, IntakeOwner
{
  readonly transport: Transport;
  readonly finEndsAll = false;
  onAvailable: (() => void) | null = null;
  onDraining: (() => void) | null = null;
  onClosed: (() => void) | null = null;
  private readonly options: ClientOptions;
  private readonly reader: MessageReader;
  private readonly intake: Intake;
  private stream: ClientStream | null = null;
  private requests = 0;
  private interim = 0;
  private keepAlive = true;
  private closed = false;

  constructor(transport: Transport, options: ClientOptions) {
    this.transport = transport;
    this.options = options;
    this.reader = new MessageReader(this, options, false);
    this.intake = new Intake(transport, this.reader, this);
    transport.start(this);
  }

  get capacity(): number {
    return this.stream === null && this.keepAlive && !this.closed && this.transport.writable ? 1 : 0;
  }

  get activeStreams(): number {
    return this.stream === null ? 0 : 1;
  }

  /** Opens the one stream. */
  open(receiver: ResponseReceiver): UpstreamStream {
    if (this.capacity === 0) throw new Error('an HTTP/1 connection was opened while it is in use or closed');
    this.interim = 0;
    this.stream = new ClientStream(this, receiver, this.requests++ > 0);
    return this.stream;
  }

  destroy(): void {
    this.transport.destroy();
  }

  receive(chunk: Buffer): void {
    const { stream } = this;
    if (stream === null || (stream.responseDone && this.reader.idle)) {
      // Nobody asked for this; whatever it is, the next request must not get it as its answer.
      this.giveUp();
      return;
    }
    stream.answered = true;
    this.intake.receive(chunk);
  }

  onEnd(): void {
    this.intake.receiveFin();
  }

  afterReading(): void {
    this.settle();
  }

  onLastByte(): void {
    this.keepAlive = false;
    this.reader.finish();
    this.settle();
    // A request without a complete answer hears of it when the connection closes.
    this.destroy();
  }

  onClose(): void {
    this.closed = true;
    enter();
    // Who answers and closes while we are still sending may close with RST: a body that ends with the connection is whole then,
    // too (RFC 9112 8).
    if (this.stream?.requestDone === false) this.reader.finish();
    this.reader.holds |= HOLD_CLOSED;
    const { stream } = this;
    this.stream = null;
    stream?.fail(stream.responseStarted ? 'reset_after_response' : 'reset_before_response');
    this.onClosed?.();
    leave();
  }

  parseHead(bytes: Buffer, start: number, end: number): Reading {
    return readResponseHead(bytes, start, end, this.options, this.stream?.method === 'HEAD');
  }

  onHeadStarted(): void {
    // How long an answer may take is the route's business.
  }

  onHeadRead(): number {
    const { head, end, body, keepAlive, http10 } = responseFacts;
    const stream = this.stream!;
    const { status, contentLength } = head!;
    const upgraded = status === 101 && stream.upgrades;
    const interim = status < 200 && !upgraded;
    // Who was not asked for an upgrade answers with nonsense.
    if (!stream.headWritten || (interim && (status === 101 || ++this.interim > MAX_INTERIM))) {
      this.protocolError('protocol_error');
      return end;
    }
    if (interim) {
      stream.receiver?.onInterim(head!);
      return end;
    }
    stream.http10 = http10;
    if (!keepAlive) this.keepAlive = false;
    this.reader.expectBody(body, contentLength);
    stream.responseStarted = true;
    const last = body === NO_BODY;
    if (last) this.responseRead(stream);
    stream.receiver?.onHead(head!, last);
    return end;
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const stream = this.stream!;
    if (end) this.responseRead(stream);
    stream.receiver?.onData(chunk, end);
  }

  onBodyTrailers(trailers: Head): void {
    const stream = this.stream!;
    this.responseRead(stream);
    stream.receiver?.onTrailers(trailers);
  }

  onViolation(reason: FailureCode | null): void {
    const tooLarge = reason === 'headers_too_large' || reason === 'uri_too_long';
    this.protocolError(tooLarge ? 'upstream_headers_too_large' : (reason ?? 'protocol_error'));
  }

  private protocolError(reason: FailureCode): void {
    const { stream } = this;
    this.stream = null;
    this.giveUp();
    stream?.fail(reason);
  }

  /** What follows in the same bytes was sent before anybody asked: it stays unread for `settle` to see. */
  private responseRead(stream: ClientStream): void {
    stream.responseDone = true;
    this.reader.holds = (this.reader.holds & ~HOLD_BODY) | HOLD_PIPELINE;
  }

  /** Called when the second of request and response has ended, and outside of the reader when bytes were read. */
  settle(): void {
    const { stream } = this;
    if (stream === null || this.intake.reading || !stream.responseDone) return;
    if (this.reader.tail !== null) this.keepAlive = false;
    if (!stream.requestDone) return;
    this.stream = null;
    stream.receiver = null;
    if (!this.keepAlive || this.closed) {
      this.giveUp();
      return;
    }
    this.intake.release(HOLD_PIPELINE);
    this.onAvailable?.();
  }

  endWriting(): void {
    this.transport.end();
  }

  /** Nothing more is expected from, or said to, this peer. */
  giveUp(): void {
    this.keepAlive = false;
    this.intake.discardAll();
    this.destroy();
  }

  /** The owner has lost interest, or the request cannot be completed. */
  cancel(stream: ClientStream): void {
    if (this.stream !== stream) return;
    this.stream = null;
    this.giveUp();
  }

  /** It may have answered before it closed, with a 413 or a 401: that is read first, and its end follows. */
  onWriteFailed(): void {
    this.keepAlive = false;
  }

  onFinish(): void {
    // What was upgraded may still be read.
  }

  onDrain(): void {
    const { stream } = this;
    if (stream !== null && !stream.requestDone) stream.receiver?.onWritable();
  }

  pauseBody(stream: ClientStream): void {
    if (stream !== this.stream || stream.responseDone || (this.reader.holds & HOLD_BODY) !== 0) return;
    this.intake.hold(HOLD_BODY);
  }

  resumeBody(stream: ClientStream): void {
    if (stream !== this.stream || (this.reader.holds & HOLD_BODY) === 0) return;
    this.intake.release(HOLD_BODY);
  }
}
