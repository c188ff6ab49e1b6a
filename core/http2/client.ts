// HTTP/2 on a connection to an upstream: as many requests at a time as it takes. Chooses no endpoint and retries nothing: that is the
// pool's and the router's.

import type { FailureCode } from '../errors.ts';
import { hostPort } from '../host-port.ts';
import type {
  ClientConnection,
  ClientOptions,
  Codec,
  KeepAlive,
  ResponseReceiver,
  UpstreamStream,
} from '../http/codec.ts';
import type { Timers } from '../timers.ts';
import type { Transport } from '../transport/transport.ts';
import { ClientStream, type ClientStreamOwner } from './client-stream.ts';
import { Http2Connection } from './connection.ts';
import * as f from './frames.ts';
import { headFacts, readResponse, readTrailers } from './heads.ts';
import { fieldLines } from './hpack-decoder.ts';
import { http2Counts, MAX_INTERIM } from './limits.ts';
import { Pings } from './pings.ts';
import { ENDED, type Http2Stream, OPEN } from './stream.ts';

const NOTHING = Buffer.alloc(8);

/** `maxStreams`: at a time, before the peer has said. */
export function connectTo(maxStreams: number): Codec['connect'] {
  return (transport, options) => new Http2ClientConnection(transport, options, maxStreams);
}

class Http2ClientConnection extends Http2Connection implements ClientConnection, ClientStreamOwner {
  onAvailable: (() => void) | null = null;
  onDraining: (() => void) | null = null;
  /** Streams that were opened and are not over; those without a number among them. */
  private active = 0;
  private readonly unnumbered = new Set<ClientStream>();
  private nextId = 1;
  private opened = 0;
  private draining = false;
  private pings: Pings | null = null;
  private readonly options: ClientOptions;
  /** Streams at a time, as the peer said last. */
  private allowed: number;

  constructor(transport: Transport, options: ClientOptions, maxStreams: number) {
    super(transport, options);
    this.options = options;
    this.peer.serves = true;
    this.allowed = maxStreams;
    this.peer.maxStreams = maxStreams;
    transport.out.append(f.PREFACE);
    this.announce([f.ENABLE_PUSH, 0, f.MAX_HEADER_LIST_SIZE, options.maxHeadBytes]);
  }

  override get activeStreams(): number {
    return this.active;
  }

  get capacity(): number {
    if (this.draining || this.over || !this.transport.writable) return 0;
    return Math.max(0, Math.min(this.peer.maxStreams - this.active, (f.LARGEST_WINDOW - this.nextId) >> 1));
  }

  open(receiver: ResponseReceiver): UpstreamStream {
    if (this.capacity === 0) throw new Error('an HTTP/2 connection has no room for another stream');
    const stream = new ClientStream(this, receiver, this.opened++ > 0);
    this.active++;
    this.unnumbered.add(stream);
    return stream;
  }

  number(stream: ClientStream): boolean {
    if (this.over || this.draining) return false;
    this.unnumbered.delete(stream);
    stream.id = this.nextId;
    this.nextId += 2;
    stream.sendWindow = this.peer.initialWindow;
    this.streams.add(stream);
    return true;
  }

  protected override prefaceIn(): number {
    return 0;
  }

  protected override onSettled(): void {
    const { maxStreams } = this.peer;
    const grown = maxStreams > this.allowed;
    this.allowed = maxStreams;
    if (grown && this.capacity > 0) this.onAvailable?.();
  }

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.nextId;
  }

  protected override mayCarryData(stream: Http2Stream): boolean {
    return (stream as ClientStream).responseStarted;
  }

  protected override onHeaders(id: number, end: boolean): void {
    const stream = this.streams.get(id) as ClientStream | undefined;
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(f.PROTOCOL_ERROR);
      else if (this.closedStreams.has(id) && !this.closedStreams.wasReset(id)) this.fault(f.STREAM_CLOSED);
      return;
    }
    if (stream.remote !== OPEN) stream.broken(f.STREAM_CLOSED);
    else if (stream.responseStarted) this.onResponseTrailers(stream, end);
    else this.onResponse(stream, end);
  }

  private onResponse(stream: ClientStream, end: boolean): void {
    stream.answered = true;
    if (fieldLines.tooLarge) {
      stream.giveUp(f.CANCEL, 'upstream_headers_too_large');
      return;
    }
    const bodyless = stream.method === 'HEAD';
    if (!readResponse(end, bodyless)) {
      http2Counts.malformedMessages++;
      stream.malformed();
      return;
    }
    const head = headFacts.head!;
    if (head.status < 200) {
      // RFC 9113 8.6: there is no change of protocols.
      if (end || head.status === 101 || ++stream.interim > MAX_INTERIM) stream.malformed();
      else stream.receiver?.onInterim(head);
      return;
    }
    stream.responseStarted = true;
    if (end) stream.remote = ENDED;
    else stream.expected = bodyless || head.status === 204 || head.status === 304 ? 0 : head.contentLength;
    stream.headCame(head, end);
  }

  private onResponseTrailers(stream: ClientStream, end: boolean): void {
    const trailers = end && !fieldLines.tooLarge ? readTrailers() : null;
    if (trailers === null) stream.malformed();
    else stream.receiveTrailers(trailers);
  }

  protected override onStreamReset(stream: Http2Stream, code: number): void {
    const { responseStarted } = stream as ClientStream;
    if (code === f.REFUSED_STREAM && !responseStarted) stream.fail('refused_stream');
    else stream.fail(responseStarted ? 'reset_after_response' : 'remote_reset');
  }

  /** RFC 9113 6.8: of streams above the last nothing was done. */
  protected override onGoAway(last: number): void {
    const first = !this.draining;
    this.draining = true;
    for (const stream of [...this.streams.values()]) if (stream.id > last) stream.fail('refused_stream');
    if (this.over) return;
    if (this.active === 0) this.destroy();
    else if (first) this.onDraining?.();
  }

  protected override onFault(code: number): void {
    this.options.onFault?.(`${this.place} ends with ${f.ERRORS[code]}`);
  }

  blame(id: number, code: number): void {
    http2Counts.streamErrors++;
    this.options.onFault?.(`stream ${id} of ${this.place} is reset with ${f.ERRORS[code]}`);
    this.faulty();
  }

  private get place(): string {
    const { remoteAddress, remotePort } = this.transport;
    return `the HTTP/2 connection to ${hostPort(remoteAddress, remotePort)}`;
  }

  keepAliveBy(policy: KeepAlive, timers: Timers): void {
    this.pings = new Pings(policy, timers, {
      ask: () => f.writePing(this.transport.out, 0, NOTHING, 0),
      gone: () => this.destroy(),
    });
  }

  protected override onPingAnswered(): void {
    this.pings?.answered();
  }

  override onClose(): void {
    this.pings?.stop();
    super.onClose();
  }

  protected override failureOf(stream: Http2Stream): FailureCode {
    if (!this.closed) return 'protocol_error';
    return (stream as ClientStream).responseStarted ? 'reset_after_response' : 'reset_before_response';
  }

  protected override failAll(): void {
    for (const stream of [...this.unnumbered]) stream.fail('reset_before_response');
    for (const stream of [...this.streams.values()]) {
      // The answer is all there, and will be read.
      if (stream.remote === OPEN || stream.drained) stream.fail(this.failureOf(stream));
    }
  }

  override abandoned(stream: Http2Stream, code: number): void {
    this.unnumbered.delete(stream as ClientStream);
    this.active--;
    super.abandoned(stream, code);
  }

  override finished(stream: Http2Stream): void {
    this.active--;
    this.resets.give();
    super.finished(stream);
  }

  protected override afterStream(): void {
    if (this.draining && this.active === 0) this.destroy();
    else if (this.capacity > 0) this.onAvailable?.();
  }
}
