// One stream (RFC 9113 5), at either end: what its owner wrote and the peer's windows have no room for, what has come and its reader
// does not take yet, and which of both sides is over. What a head is differs between the ends.

import type { FailureCode } from '../errors.ts';
import type { Receiver, Stream } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import { enter, leave, type Outbox } from '../transport/outbox.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { Connection, Transport } from '../transport/transport.ts';
import { CANCEL, INTERNAL_ERROR, LARGEST_FRAME, NO_ERROR, PROTOCOL_ERROR, writeData } from './frames.ts';
import { Held } from './held.ts';
import { STREAM_WINDOW } from './limits.ts';

/** What a stream asks of its connection. */
export interface StreamOwner {
  readonly transport: Transport;
  /** Bytes of bodies that the peer takes on the whole connection. */
  sendWindow: number;
  writeTrailerBlock(id: number, trailers: Head): void;
  /** The reader has taken so many bytes of it: the peer may send as many more. */
  taken(stream: Http2Stream, bytes: number): void;
  /** It has told its owner to wait; it is looked at whenever something has changed. */
  waits(stream: Http2Stream): void;
  /** Bytes were put by for its reader, or with a negative number taken from there. */
  heldBytes(bytes: number): void;
  /** A frame of DATA was written. */
  dataSent(): void;
  /** Both sides are over, and nothing waits any more. */
  finished(stream: Http2Stream): void;
  /** It ends here and now; `code` >= 0: the peer is told. */
  abandoned(stream: Http2Stream, code: number): void;
}

export const NOT_WRITTEN = 0;
export const OPEN = 1;
export const ENDED = 2;

export abstract class Http2Stream implements Stream {
  /** 0: it has none yet. */
  id = 0;
  /** What this end sends, and what it receives. */
  local = NOT_WRITTEN;
  remote = OPEN;
  /** Its owner hears and says nothing more. */
  dead = false;
  sendWindow = 0;
  recvWindow = STREAM_WINDOW;
  /** Bytes taken of which the peer has not been told. */
  unacknowledged = 0;
  /** Of its body, as its head announced: bytes to come; -1: not said. */
  expected = -1;
  protected readonly owner: StreamOwner;
  protected readonly out: Outbox;
  /** Of the body to be sent, as its head announced: bytes left; -1: not said. */
  protected promised = -1;
  private queue: Buffer[] | null = null;
  private queuedEnd = false;
  private queuedTrailers: Head | null = null;
  /** Its owner was told to wait. */
  private waiting = false;
  private paused = false;
  private held: Held | null = null;
  private scheduled = false;

  constructor(owner: StreamOwner) {
    this.owner = owner;
    this.out = owner.transport.out;
  }

  protected abstract get receiver(): Receiver | null;
  abstract writeHead(head: Head, end: boolean): void;
  /** Its owner hears of this, and of nothing more. */
  abstract fail(reason: FailureCode): void;

  get connection(): Connection {
    return this.owner.transport;
  }

  /** Nothing that came for it waits to be read. */
  get drained(): boolean {
    return this.held === null;
  }

  // What it sends.

  writeData(chunk: Buffer, end: boolean): boolean {
    if (this.dead || this.local !== OPEN || this.queuedEnd) return true;
    if (this.promised >= 0) {
      // A body that is not what was announced of it is malformed (RFC 9113 8.1.1).
      if (chunk.length > this.promised || (end && chunk.length < this.promised)) {
        this.breakOff();
        return true;
      }
      this.promised -= chunk.length;
    }
    const rest = this.queue === null ? this.send(chunk, end) : chunk;
    if (rest !== null) {
      retainBytes();
      this.queue ??= [];
      this.queue.push(rest);
      this.queuedEnd = end;
      this.wait();
      return end;
    }
    if (end || this.local !== OPEN) return true;
    if (chunk.length === 0 ? !this.out.blocked : this.out.roomLeft()) return true;
    this.wait();
    return false;
  }

  writeTrailers(trailers: Head): void {
    if (this.dead || this.local !== OPEN || this.queuedEnd) return;
    if (this.promised > 0) {
      this.breakOff();
      return;
    }
    if (this.queue !== null) {
      this.queuedEnd = true;
      this.queuedTrailers = trailers;
      return;
    }
    this.owner.writeTrailerBlock(this.id, trailers);
    this.endLocal();
  }

  private wait(): void {
    this.waiting = true;
    this.owner.waits(this);
  }

  /** Sends what the windows have room for; null: that was all of it. */
  private send(chunk: Buffer, end: boolean): Buffer | null {
    const { length } = chunk;
    let at = 0;
    while (at < length) {
      const size = Math.min(length - at, LARGEST_FRAME, this.sendWindow, this.owner.sendWindow);
      if (size <= 0) return at === 0 ? chunk : chunk.subarray(at);
      const last = end && at + size === length;
      this.frame(size === length ? chunk : chunk.subarray(at, at + size), last);
      at += size;
    }
    if (end && length === 0) this.frame(chunk, true);
    if (end) this.endLocal();
    return null;
  }

  private frame(piece: Buffer, end: boolean): void {
    const { length } = piece;
    this.sendWindow -= length;
    this.owner.sendWindow -= length;
    this.owner.dataSent();
    writeData(this.out, this.id, piece, end);
  }

  /** One frame of what waits, if there is room for it. False: nothing waits, or it has to wait on. */
  sendQueued(): boolean {
    const { queue } = this;
    if (queue === null || this.out.blocked) return false;
    const chunk = queue[0];
    const size = Math.min(chunk.length, LARGEST_FRAME, this.sendWindow, this.owner.sendWindow);
    if (size <= 0 && chunk.length > 0) return false;
    const whole = size === chunk.length;
    const last = whole && queue.length === 1;
    this.frame(whole ? chunk : chunk.subarray(0, size), last && this.queuedEnd && this.queuedTrailers === null);
    if (whole) queue.shift();
    else queue[0] = chunk.subarray(size);
    this.out.roomLeft();
    if (last) this.queueSent();
    return true;
  }

  private queueSent(): void {
    this.queue = null;
    if (!this.queuedEnd) return;
    this.queuedEnd = false;
    if (this.queuedTrailers !== null) this.owner.writeTrailerBlock(this.id, this.queuedTrailers);
    this.endLocal();
  }

  /** Nothing of it waits, and its owner may go on: it is told. False: it waits. */
  goOn(): boolean {
    if (!this.waiting || this.dead) return true;
    if (this.queue !== null || this.out.blocked) return false;
    this.waiting = false;
    if (this.local === OPEN) this.receiver?.onWritable();
    return true;
  }

  protected endLocal(): void {
    this.local = ENDED;
    this.localEnded();
    this.settle();
  }

  /** This end has sent all. */
  protected localEnded(): void {
    // The end that asks waits for its answer.
  }

  // What comes.

  pauseReading(): void {
    this.paused = true;
  }

  resumeReading(): void {
    this.paused = false;
    if (this.held === null || this.scheduled) return;
    this.scheduled = true;
    // On the next tick: whoever lets it go on is in the middle of something.
    process.nextTick(() => this.readHeld());
  }

  private readHeld(): void {
    this.scheduled = false;
    const { held } = this;
    if (held === null) return;
    enter();
    while (!this.paused && !this.dead && this.held === held) {
      const piece = held.next();
      if (piece === null) {
        this.held = null;
        if (held.trailers !== null) this.receiver?.onTrailers(held.trailers);
        break;
      }
      const end = held.isLast;
      if (end) this.held = null;
      this.owner.heldBytes(-piece.length);
      this.owner.taken(this, piece.length);
      this.receiver?.onData(piece, end);
    }
    this.settle();
    leave();
  }

  /** More of the body. */
  receiveData(piece: Buffer, end: boolean): void {
    const { length } = piece;
    if (this.expected >= 0) {
      this.expected -= length;
      if (this.expected < 0 || (end && this.expected > 0)) {
        this.malformed();
        return;
      }
    }
    if (end) this.remote = ENDED;
    if (this.paused || this.held !== null) {
      this.held ??= new Held();
      this.held.add(piece, end);
      this.owner.heldBytes(length);
      return;
    }
    if (length > 0) this.owner.taken(this, length);
    if (length > 0 || end) this.deliver(piece, end);
    if (end) this.settle();
  }

  protected deliver(piece: Buffer, end: boolean): void {
    this.receiver?.onData(piece, end);
  }

  receiveTrailers(trailers: Head): void {
    if (this.expected > 0) {
      this.malformed();
      return;
    }
    this.remote = ENDED;
    if (this.held !== null || this.paused) {
      this.held ??= new Held();
      this.held.trailers = trailers;
      return;
    }
    this.receiver?.onTrailers(trailers);
    this.settle();
  }

  // Its end.

  protected settle(): void {
    if (this.dead || this.local !== ENDED || this.remote !== ENDED || this.held !== null) return;
    this.dead = true;
    this.owner.finished(this);
  }

  reset(): void {
    this.abandon(CANCEL);
  }

  /** Its owner hears nothing of it. `code` < 0: neither does the peer. */
  abandon(code: number): void {
    if (this.dead) return;
    this.dead = true;
    this.queue = null;
    const { held } = this;
    this.held = null;
    if (held !== null) this.owner.heldBytes(-held.size);
    this.owner.abandoned(this, this.local === ENDED && this.remote === ENDED ? -1 : code);
  }

  /** What came is no message. */
  malformed(): void {
    this.broken(PROTOCOL_ERROR);
  }

  /** The peer has broken a rule, on this stream only. */
  abstract broken(code: number): void;

  /** What its owner writes is no message. */
  protected breakOff(): void {
    this.abandon(INTERNAL_ERROR);
  }

  /** Whoever asked has the answer, and the rest of what he asks is not wanted. */
  protected enough(): void {
    this.abandon(NO_ERROR);
  }
}
