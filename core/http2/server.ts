// HTTP/2 on an accepted connection: requests to the handler as they come, many at a time. Decides which may be opened, when the
// connection is idle and how it is drained. Routes nothing and answers nothing by itself.

import type { FailureCode } from '../errors.ts';
import { hostPort } from '../host-port.ts';
import type { Codec, ServerConnection, ServerHandler, ServerOptions } from '../http/codec.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import { enter, leave } from '../transport/outbox.ts';
import type { Transport } from '../transport/transport.ts';
import { Http2Connection } from './connection.ts';
import * as f from './frames.ts';
import { headFacts, readRequest, readTrailers } from './heads.ts';
import { fieldLines } from './hpack-decoder.ts';
import { http2Counts, MAX_STREAMS } from './limits.ts';
import { ServerStream, type ServerStreamOwner } from './server-stream.ts';
import { ENDED, type Http2Stream, OPEN } from './stream.ts';

/** How often a connection is looked at: what it has to be in time for is longer. */
const LOOK_MS = 5_000;
/** A peer that takes nothing of what was written for so long is given up. */
const STALL_MS = 60_000;
/** After our FIN the client's bytes are taken for this long, so that no RST overtakes what was written. */
const LINGER_MS = 2_000;
const NOTHING = Buffer.alloc(8);

/** `protocol`: what its requests are, to everybody beyond the connection. `maxStreams`: at a time, as the client is told. */
export function serveAs(protocol: 'HTTP/2' | 'HTTP/1.1', maxStreams: number): Codec['serve'] {
  return (transport, handler, options) => new Http2ServerConnection(transport, handler, options, protocol, maxStreams);
}

class Http2ServerConnection extends Http2Connection implements ServerConnection, ServerStreamOwner, TimerOwner {
  readonly destination: string | null;
  private readonly handler: ServerHandler;
  private readonly options: ServerOptions;
  private readonly protocol: string;
  private readonly timer = new Timer(this);
  /** Bytes of the preface that have come. */
  private preface = 0;
  /** Streams above it are not taken. */
  private lastTaken = f.LARGEST_WINDOW;
  private draining = false;
  private lingers = false;
  /** The ticks since which nothing is open, a head is not whole, and the peer has taken nothing. */
  private idleSince: number;
  private headSince = 0;
  private stalledSince = 0;
  private remaining = 0;
  private graceEnds = 0;

  constructor(
    transport: Transport,
    handler: ServerHandler,
    options: ServerOptions,
    protocol: string,
    maxStreams: number,
  ) {
    super(transport, options);
    this.protocol = protocol;
    this.destination = options.destination ?? null;
    this.handler = handler;
    this.options = options;
    this.idleSince = options.timers.tick;
    this.headSince = options.timers.tick;
    this.announce([
      f.ENABLE_CONNECT_PROTOCOL,
      1,
      f.MAX_CONCURRENT_STREAMS,
      maxStreams,
      f.MAX_HEADER_LIST_SIZE,
      options.maxHeadBytes,
    ]);
    this.lookLater();
  }

  protected override prefaceIn(piece: Buffer): number {
    const { PREFACE } = f;
    if (this.preface === PREFACE.length) return 0;
    const size = Math.min(PREFACE.length - this.preface, piece.length);
    if (PREFACE.compare(piece, 0, size, this.preface, this.preface + size) !== 0) {
      this.fault(f.PROTOCOL_ERROR);
      return piece.length;
    }
    this.preface += size;
    return size;
  }

  protected override onHeaders(id: number, end: boolean): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) this.onRequestTrailers(stream as ServerStream, end);
    else if ((id & 1) === 0) this.fault(f.PROTOCOL_ERROR);
    else if (id > this.lastPeerId) {
      this.lastPeerId = id;
      if (id <= this.lastTaken) this.onNewRequest(id, end);
    } else if (!this.closedStreams.wasReset(id)) {
      this.fault(this.closedStreams.has(id) ? f.STREAM_CLOSED : f.PROTOCOL_ERROR);
    }
  }

  private onNewRequest(id: number, end: boolean): void {
    if (this.streams.size >= MAX_STREAMS) {
      http2Counts.streamsRefused++;
      this.resetUnknown(id, f.REFUSED_STREAM);
      return;
    }
    const { tooLarge } = fieldLines;
    const wellFormed = readRequest(end);
    const { head, refused } = headFacts;
    const stream = new ServerStream(this, id, head?.method ?? '', this.peer.initialWindow, this.protocol);
    this.streams.add(stream);
    if (end) stream.remote = ENDED;
    if (tooLarge) this.handler.onMalformed(stream, 'headers_too_large', null);
    else if (!wellFormed) {
      http2Counts.malformedMessages++;
      stream.refuse(f.PROTOCOL_ERROR);
      this.handler.onMalformed(stream, 'bad_request', head);
      this.blame(id, f.PROTOCOL_ERROR);
    } else if (refused !== '') this.handler.onMalformed(stream, refused, head);
    else {
      if (head!.upgrade !== '') stream.offersUpgrade();
      if (head!.contentLength >= 0 && !end) stream.expected = head!.contentLength;
      const receiver = this.handler.onRequest(stream, head!, end);
      if (!stream.dead && stream.local !== ENDED) stream.receiver = receiver;
    }
  }

  private onRequestTrailers(stream: ServerStream, end: boolean): void {
    if (stream.remote !== OPEN) {
      stream.broken(f.STREAM_CLOSED);
      return;
    }
    const trailers = end && !fieldLines.tooLarge ? readTrailers() : null;
    if (trailers === null) stream.malformed();
    else stream.receiveTrailers(trailers);
  }

  protected override mayCarryData(): boolean {
    return true;
  }

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.lastPeerId;
  }

  protected override onStreamReset(stream: Http2Stream): void {
    const early = stream.local !== ENDED;
    stream.fail('client_gone');
    if (early) this.faulty();
  }

  blame(id: number, code: number): void {
    http2Counts.streamErrors++;
    this.options.onFault?.(`stream ${id} of ${this.place} is reset with ${f.ERRORS[code]}`);
    this.faulty();
  }

  protected override onFault(code: number): void {
    this.options.onFault?.(`${this.place} ends with ${f.ERRORS[code]}`);
  }

  private get place(): string {
    const { remoteAddress, remotePort } = this.transport;
    return `the HTTP/2 connection from ${hostPort(remoteAddress, remotePort)}`;
  }

  protected override onGoAway(): void {
    // The client closes when it has its answers.
  }

  protected override failureOf(): FailureCode {
    return 'client_gone';
  }

  protected override afterStream(stream: Http2Stream): void {
    if (stream.remote === ENDED && stream.local === ENDED) this.resets.give();
    if (this.streams.size > 0) return;
    this.idleSince = this.options.timers.tick;
    if (this.lastTaken !== f.LARGEST_WINDOW) this.finish();
  }

  /** RFC 9113 6.8: first that it will, and when whoever opened a stream meanwhile must have heard of it, that it does. */
  drain(graceMs: number): void {
    if (this.draining || this.over) return;
    this.draining = true;
    const { timers } = this.options;
    this.graceEnds = timers.tick + Math.ceil(graceMs / timers.tickMs);
    f.writeGoAway(this.transport.out, f.LARGEST_WINDOW, f.NO_ERROR);
    f.writePing(this.transport.out, 0, NOTHING, 0);
    timers.arm(this.timer, graceMs);
  }

  protected override onPingAnswered(): void {
    if (this.draining) this.takeNoMore();
  }

  private takeNoMore(): void {
    if (this.lastTaken !== f.LARGEST_WINDOW || this.over) return;
    this.lastTaken = this.lastPeerId;
    this.goAway(f.NO_ERROR);
    if (this.streams.size === 0) this.finish();
  }

  private lookLater(): void {
    const { headerTimeoutMs, idleTimeoutMs, timers } = this.options;
    timers.arm(this.timer, Math.min(LOOK_MS, headerTimeoutMs, idleTimeoutMs));
  }

  expired(): void {
    if (this.closed) return;
    if (this.lingers) {
      this.destroy();
      return;
    }
    enter();
    this.look();
    leave();
    if (!this.closed && !this.lingers) this.lookLater();
  }

  private look(): void {
    const { timers, headerTimeoutMs, idleTimeoutMs } = this.options;
    if (this.hasStalled()) {
      http2Counts.stalled++;
      this.destroy();
      return;
    }
    if (this.over) return;
    const inHead = this.preface < f.PREFACE.length || this.block.open;
    if (!inHead) this.headSince = timers.tick;
    else if (timers.since(this.headSince) >= headerTimeoutMs) {
      this.fault(f.PROTOCOL_ERROR);
      return;
    }
    if (this.draining && timers.tick >= this.graceEnds) this.takeNoMore();
    else if (this.streams.size === 0 && timers.since(this.idleSince) >= idleTimeoutMs) {
      this.goAway(f.NO_ERROR);
      this.finish();
    }
  }

  /** A slow client may take its time as long as it takes something. */
  private hasStalled(): boolean {
    const { timers } = this.options;
    const { remaining } = this.transport.out;
    if (remaining === 0 || remaining !== this.remaining) this.stalledSince = timers.tick;
    this.remaining = remaining;
    return timers.since(this.stalledSince) >= STALL_MS;
  }

  override onFinish(): void {
    this.lingers = true;
    this.options.timers.arm(this.timer, LINGER_MS);
  }

  override onClose(): void {
    this.options.timers.cancel(this.timer);
    super.onClose();
  }
}
