// A toy connection, at either end: frames to streams and back, how many streams there may be, and its end.

import type {
  ClientConnection,
  ResponseReceiver,
  ServerConnection,
  ServerHandler,
} from '../../../../core/http/codec.ts';
import { enter, leave } from '../../../../core/transport/outbox.ts';
import type { Transport, TransportOwner } from '../../../../core/transport/transport.ts';
import { decodeHead, FrameReader, type FrameSink, GOAWAY, HEAD, LIMIT, RESET, writeFrame } from './frames.ts';
import { type StreamOwner, ToyStream } from './stream.ts';

abstract class ToyConnection implements TransportOwner, FrameSink, StreamOwner {
  readonly transport: Transport;
  onClosed: (() => void) | null = null;
  protected readonly streams = new Map<number, ToyStream>();
  protected closed = false;
  private readonly frames = new FrameReader();

  constructor(transport: Transport) {
    this.transport = transport;
    transport.start(this);
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  destroy(): void {
    this.transport.destroy();
  }

  receive(piece: Buffer): void {
    enter();
    this.frames.push(piece, this);
    leave();
  }

  onFrame(type: number, id: number, payload: Buffer, end: boolean): void {
    const stream = this.streams.get(id);
    if (id === 0) this.onControl(type, payload);
    else if (type === RESET) stream?.fail(this.resetReason(stream));
    else if (stream !== undefined) stream.onFrame(type, payload, end);
    else if (type === HEAD) this.onNewStream(id, payload, end);
  }

  onBrokenFrames(): void {
    this.destroy();
  }

  onDrain(): void {
    for (const stream of [...this.streams.values()]) stream.onDrain();
  }

  onEnd(): void {
    this.destroy();
  }

  onWriteFailed(): void {
    this.destroy();
  }

  onFinish(): void {
    // The peer closes when it has read everything.
  }

  onClose(): void {
    this.closed = true;
    enter();
    for (const stream of [...this.streams.values()]) stream.fail(this.resetReason(stream));
    this.onClosed?.();
    leave();
  }

  ended(stream: ToyStream): void {
    this.streams.delete(stream.id);
    if (!this.closed) this.afterStream();
  }

  protected abstract onControl(type: number, payload: Buffer): void;
  protected abstract onNewStream(id: number, payload: Buffer, end: boolean): void;
  protected abstract resetReason(stream: ToyStream): 'client_gone' | 'reset_before_response' | 'reset_after_response';
  protected abstract afterStream(): void;
}

export class ToyServerConnection extends ToyConnection implements ServerConnection {
  private readonly handler: ServerHandler;
  private draining = false;

  constructor(transport: Transport, handler: ServerHandler, streams: number) {
    super(transport);
    this.handler = handler;
    this.allow(streams);
  }

  /** Says how many streams it takes at a time. */
  allow(streams: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(streams);
    writeFrame(this.transport.out, LIMIT, 0, payload);
  }

  drain(): void {
    if (this.draining) return;
    this.draining = true;
    writeFrame(this.transport.out, GOAWAY, 0);
    this.afterStream();
  }

  protected override onControl(): void {
    this.destroy();
  }

  protected override onNewStream(id: number, payload: Buffer, end: boolean): void {
    const stream = new ToyStream(this, id, true, false);
    this.streams.set(id, stream);
    stream.received = end;
    const head = decodeHead(payload);
    if (head === null) {
      stream.received = true;
      this.handler.onMalformed(stream, 'bad_request', null);
      return;
    }
    const receiver = this.handler.onRequest(stream, head, end);
    if (!stream.written && this.streams.has(id)) stream.receiver = receiver;
  }

  protected override resetReason(): 'client_gone' {
    return 'client_gone';
  }

  protected override afterStream(): void {
    if (this.draining && this.streams.size === 0) this.transport.end();
  }
}

export class ToyClientConnection extends ToyConnection implements ClientConnection {
  onAvailable: (() => void) | null = null;
  onDraining: (() => void) | null = null;
  private allowed: number;
  private opened = 0;
  private draining = false;

  constructor(transport: Transport, expectedStreams: number) {
    super(transport);
    this.allowed = expectedStreams;
  }

  get capacity(): number {
    const usable = !this.draining && !this.closed && this.transport.writable;
    return usable ? Math.max(0, this.allowed - this.streams.size) : 0;
  }

  open(receiver: ResponseReceiver): ToyStream {
    if (this.capacity === 0) throw new Error('a toy connection has no room for another stream');
    const stream = new ToyStream(this, ++this.opened, false, this.opened > 1);
    stream.receiver = receiver;
    this.streams.set(stream.id, stream);
    return stream;
  }

  protected override onControl(type: number, payload: Buffer): void {
    if (type === GOAWAY) {
      this.draining = true;
      if (this.streams.size === 0) this.destroy();
      else this.onDraining?.();
      return;
    }
    const before = this.capacity;
    this.allowed = payload.readUInt32BE(0);
    if (this.capacity > before) this.onAvailable?.();
  }

  protected override onNewStream(): void {
    // The answer to a stream that was given up.
  }

  protected override resetReason(stream: ToyStream): 'reset_before_response' | 'reset_after_response' {
    return stream.answered ? 'reset_after_response' : 'reset_before_response';
  }

  protected override afterStream(): void {
    if (this.draining && this.streams.size === 0) this.destroy();
    else if (this.capacity > 0) this.onAvailable?.();
  }
}
