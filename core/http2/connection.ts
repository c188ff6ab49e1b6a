// A connection of HTTP/2, at either end (RFC 9113): frames to streams and back, settings, windows, how what waits goes on, and its
// end. Which streams there may be, and what a head is, differs between the ends. A peer's faults end here, in the code that the
// RFC has for them.

import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';
import { enter, leave } from '../transport/outbox.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { ClosedStreams } from './closed-streams.ts';
import * as f from './frames.ts';
import { HeaderBlock } from './header-block.ts';
import { type BlockLimits, HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder, scratchOf } from './hpack-encoder.ts';
import { controlAllowance, http2Counts, MOST_BACKLOG, resetAllowance, STREAM_WINDOW } from './limits.ts';
import { OpenStreams } from './open-streams.ts';
import { DEFAULT_WINDOW, ReceiveWindow } from './receive-window.ts';
import { PeerSettings } from './settings.ts';
import { type Http2Stream, OPEN, type StreamOwner } from './stream.ts';
import { WaitingStreams } from './waiting-streams.ts';

/** An update smaller than this makes no room for data worth a frame. */
const WORTH_A_FRAME = 1024;

export abstract class Http2Connection implements TransportOwner, f.FrameSink, StreamOwner {
  readonly transport: Transport;
  onClosed: (() => void) | null = null;
  sendWindow = DEFAULT_WINDOW;
  protected readonly streams: OpenStreams;
  protected readonly closedStreams = new ClosedStreams();
  protected readonly reader = new f.FrameReader(this);
  readonly encoder = new HpackEncoder();
  protected readonly peer = new PeerSettings();
  protected readonly block = new HeaderBlock();
  protected readonly resets = resetAllowance();
  private readonly control = controlAllowance();
  /** The highest stream that the peer has opened. */
  protected lastPeerId = 0;
  /** Nothing is read or opened any more. */
  protected over = false;
  protected closed = false;
  private readonly decoder: HpackDecoder;
  private readonly waiting = new WaitingStreams();
  private readonly window: ReceiveWindow;
  private settled = false;
  // The frame of DATA that is coming.
  private current: Http2Stream | null = null;
  private currentEnds = false;
  private currentLeft = 0;

  constructor(transport: Transport, limits: BlockLimits) {
    this.transport = transport;
    this.streams = new OpenStreams(transport.out);
    this.decoder = new HpackDecoder(limits);
    this.window = new ReceiveWindow(transport.out);
    transport.start(this);
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  protected announce(settings: readonly number[]): void {
    f.writeSettings(this.transport.out, [...settings, f.INITIAL_WINDOW_SIZE, STREAM_WINDOW]);
    this.window.open();
  }

  destroy(): void {
    this.transport.destroy();
  }

  // What comes.

  receive(piece: Buffer): void {
    if (this.over) return;
    enter();
    this.reader.push(piece, this.prefaceIn(piece));
    leave();
  }

  /** Bytes of `piece` that come before frames. */
  protected abstract prefaceIn(piece: Buffer): number;

  onBadFrame(code: number): void {
    this.fault(code);
  }

  onDataFrame(id: number, flags: number, length: number): void {
    this.currentLeft = length;
    this.currentEnds = (flags & f.END_STREAM) !== 0;
    if (!this.settled || this.block.open || id === 0) this.fault(f.PROTOCOL_ERROR);
    else if (!this.window.take(length)) this.fault(f.FLOW_CONTROL_ERROR);
    else {
      this.current = this.dataStream(id, length);
      if (length > 0) this.control.give();
      else if (!this.currentEnds) this.spend();
    }
  }

  /** The stream that takes this frame of DATA; null: it is read over. */
  private dataStream(id: number, length: number): Http2Stream | null {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(f.PROTOCOL_ERROR);
      else if (!this.closedStreams.wasReset(id)) this.resetUnknown(id, f.STREAM_CLOSED);
      return null;
    }
    if (stream.remote !== OPEN) stream.broken(f.STREAM_CLOSED);
    else if (length > stream.recvWindow) stream.broken(f.FLOW_CONTROL_ERROR);
    else if (!this.mayCarryData(stream)) stream.malformed();
    else {
      stream.recvWindow -= length;
      return stream;
    }
    return null;
  }

  /** Its head has come. */
  protected abstract mayCarryData(stream: Http2Stream): boolean;

  onDataPiece(piece: Buffer, last: boolean): void {
    const { current: stream } = this;
    this.currentLeft -= piece.length;
    this.window.came(piece.length);
    if (last) {
      this.current = null;
      const padding = this.currentLeft;
      this.window.came(padding);
      if (stream !== null && !stream.dead && padding > 0) this.taken(stream, padding);
    }
    if (stream !== null && !stream.dead) stream.receiveData(piece, last && this.currentEnds);
  }

  onFrame(type: number, flags: number, id: number, payload: Buffer, start: number, end: number): void {
    const wrong = this.take(type, flags, id, payload, start, end);
    if (wrong !== f.NO_ERROR) this.fault(wrong);
  }

  /** Returns what is wrong with it that the connection cannot survive. */
  private take(type: number, flags: number, id: number, payload: Buffer, start: number, end: number): number {
    if (!this.settled && type !== f.SETTINGS) return f.PROTOCOL_ERROR;
    if (this.block.open && (type !== f.CONTINUATION || id !== this.block.id)) return f.PROTOCOL_ERROR;
    const wrong = f.misshapen(type, flags, id, end - start);
    if (wrong !== f.NO_ERROR) return wrong;
    switch (type) {
      case f.HEADERS:
        return this.block.begin(flags, id, payload, start, end) || this.fragment(flags, payload);
      case f.CONTINUATION:
        return this.block.go(start, end) || this.fragment(flags, payload);
      case f.RST_STREAM:
        return this.onResetFrame(id, payload.readUInt32BE(start));
      case f.WINDOW_UPDATE:
        return this.onWindowUpdate(id, payload.readUInt32BE(start) & f.LARGEST_WINDOW);
      case f.SETTINGS:
        return (flags & f.ACK) === 0 ? this.onSettings(payload, start, end) : this.onSettingsAck();
      case f.PING:
        if ((flags & f.ACK) !== 0) this.onPingAnswered();
        else {
          f.writePing(this.transport.out, f.ACK, payload, start);
          this.spend();
        }
        return f.NO_ERROR;
      case f.GOAWAY:
        this.onGoAway(payload.readUInt32BE(start) & f.LARGEST_WINDOW);
        return f.NO_ERROR;
      case f.PRIORITY:
        return this.onPriority(id, payload, start, end);
      default:
        // RFC 9113 5.5: of an extension that we do not know.
        this.spend();
        return f.NO_ERROR;
    }
  }

  protected abstract onGoAway(last: number): void;
  protected abstract isIdle(id: number): boolean;
  /** A header block has come, and lies in `fieldLines`. */
  protected abstract onHeaders(id: number, end: boolean): void;
  protected abstract onStreamReset(stream: Http2Stream, code: number): void;
  protected abstract onPingAnswered(): void;

  private fragment(flags: number, payload: Buffer): number {
    const { block } = this;
    if ((flags & f.END_HEADERS) === 0) {
      if (block.keep(payload)) return f.NO_ERROR;
      http2Counts.headerFloods++;
      return f.ENHANCE_YOUR_CALM;
    }
    const whole = block.end(payload);
    if (!this.decoder.decode(whole, block.start, block.stop)) return f.COMPRESSION_ERROR;
    this.control.give();
    this.onHeaders(block.id, block.endsStream);
    return f.NO_ERROR;
  }

  private onResetFrame(id: number, code: number): number {
    if (this.isIdle(id)) return f.PROTOCOL_ERROR;
    const stream = this.streams.get(id);
    if (stream === undefined) this.spend();
    else this.onStreamReset(stream, code);
    return f.NO_ERROR;
  }

  private onWindowUpdate(id: number, size: number): number {
    if (size < WORTH_A_FRAME) this.spend();
    if (id === 0) {
      this.sendWindow += size;
      if (size === 0) return f.PROTOCOL_ERROR;
      if (this.sendWindow > f.LARGEST_WINDOW) return f.FLOW_CONTROL_ERROR;
      this.waiting.goOn(this.transport.out);
      return f.NO_ERROR;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (size >= WORTH_A_FRAME) this.spend();
      return this.isIdle(id) ? f.PROTOCOL_ERROR : f.NO_ERROR;
    }
    stream.sendWindow += size;
    if (size === 0) stream.broken(f.PROTOCOL_ERROR);
    else if (stream.sendWindow > f.LARGEST_WINDOW) stream.broken(f.FLOW_CONTROL_ERROR);
    else if (this.waiting.has(stream)) this.waiting.goOn(this.transport.out);
    return f.NO_ERROR;
  }

  private onSettingsAck(): number {
    this.spend();
    return this.settled ? f.NO_ERROR : f.PROTOCOL_ERROR;
  }

  private onSettings(payload: Buffer, start: number, end: number): number {
    const { peer } = this;
    const window = peer.initialWindow;
    const wrong = peer.read(payload, start, end);
    if (wrong !== f.NO_ERROR) return wrong;
    const grown = peer.initialWindow - window;
    for (const stream of this.streams.values()) {
      stream.sendWindow += grown;
      if (stream.sendWindow > f.LARGEST_WINDOW) return f.FLOW_CONTROL_ERROR;
    }
    this.encoder.limit(peer.tableSize);
    f.writeSettingsAck(this.transport.out);
    this.settled = true;
    this.spend();
    this.onSettled();
    if (grown > 0) this.waiting.goOn(this.transport.out);
    return f.NO_ERROR;
  }

  /** The peer has said what it allows. */
  protected onSettled(): void {
    // A server takes what it is asked.
  }

  /** RFC 9113 5.3: what it says of others is nobody's business any more. */
  private onPriority(id: number, payload: Buffer, start: number, end: number): number {
    const stream = this.streams.get(id);
    this.spend();
    if (end - start !== 5) {
      if (stream === undefined) return f.FRAME_SIZE_ERROR;
      stream.broken(f.FRAME_SIZE_ERROR);
      return f.NO_ERROR;
    }
    return (payload.readUInt32BE(start) & f.LARGEST_WINDOW) === id ? f.PROTOCOL_ERROR : f.NO_ERROR;
  }

  /** It carried nothing of a message. */
  private spend(): void {
    if (!this.control.take()) {
      http2Counts.controlFloods++;
      this.fault(f.ENHANCE_YOUR_CALM);
    } else if (this.transport.out.blocked && this.transport.out.backlog > MOST_BACKLOG) {
      // Nobody reads the answers, and more are asked for.
      http2Counts.outboundFloods++;
      this.fault(f.ENHANCE_YOUR_CALM);
    }
  }

  writeTrailerBlock(id: number, trailers: Head): void {
    const scratch = scratchOf(this.encoder.size(trailers));
    const length = this.encoder.trailers(scratch, 0, trailers);
    if (length === 0) f.writeData(this.transport.out, id, scratch.subarray(0, 0), true);
    else f.writeBlock(this.transport.out, id, scratch.subarray(0, length), true);
  }

  dataSent(): void {
    this.control.give();
  }

  waits(stream: Http2Stream): void {
    this.waiting.add(stream);
    this.transport.out.roomLeft();
  }

  onDrain(): void {
    this.waiting.goOn(this.transport.out);
  }

  taken(stream: Http2Stream, bytes: number): void {
    if (stream.remote !== OPEN) return;
    stream.unacknowledged += bytes;
    if (stream.unacknowledged < STREAM_WINDOW / 2) return;
    f.writeWindowUpdate(this.transport.out, stream.id, stream.unacknowledged);
    stream.recvWindow += stream.unacknowledged;
    stream.unacknowledged = 0;
  }

  heldBytes(bytes: number): void {
    this.window.holds(bytes);
  }

  // Ends.

  finished(stream: Http2Stream): void {
    this.closedStreams.add(stream.id, false);
    this.forget(stream);
  }

  abandoned(stream: Http2Stream, code: number): void {
    this.closedStreams.add(stream.id, code >= 0);
    if (code >= 0 && stream.id !== 0 && !this.over) f.writeReset(this.transport.out, stream.id, code);
    this.forget(stream);
  }

  private forget(stream: Http2Stream): void {
    this.waiting.delete(stream);
    this.streams.delete(stream);
    if (!this.closed && !this.over) this.afterStream(stream);
  }

  protected abstract afterStream(stream: Http2Stream): void;

  /** A stream that is not, or no longer, here. */
  protected resetUnknown(id: number, code: number): void {
    f.writeReset(this.transport.out, id, code);
    this.closedStreams.add(id, true);
    this.blame(id, code);
  }

  /** The peer is at fault for a stream that is given up with this code. */
  abstract blame(id: number, code: number): void;

  /** The peer has had a stream given up. */
  protected faulty(): void {
    if (this.resets.take()) return;
    http2Counts.resetFloods++;
    this.fault(f.ENHANCE_YOUR_CALM);
  }

  /** The connection is over: the peer is told why, and that is the last that it hears. */
  protected fault(code: number): void {
    if (this.over) return;
    http2Counts.protocolErrors++;
    this.onFault(code);
    this.goAway(code);
    this.finish();
    this.failAll();
  }

  protected abstract onFault(code: number): void;

  protected goAway(code: number): void {
    f.writeGoAway(this.transport.out, this.lastPeerId, code);
  }

  /** Nothing more is read; FIN after what was written. */
  protected finish(): void {
    if (this.over) return;
    this.over = true;
    this.reader.stopped = true;
    this.transport.end();
  }

  protected abstract failureOf(stream: Http2Stream): FailureCode;

  protected failAll(): void {
    for (const stream of [...this.streams.values()]) stream.fail(this.failureOf(stream));
  }

  onEnd(): void {
    this.transport.out.flush();
    this.destroy();
  }

  onWriteFailed(): void {
    this.destroy();
  }

  onFinish(): void {
    this.destroy();
  }

  onClose(): void {
    this.closed = true;
    this.over = true;
    this.reader.stopped = true;
    enter();
    this.failAll();
    this.onClosed?.();
    leave();
  }
}
