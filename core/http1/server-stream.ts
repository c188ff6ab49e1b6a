// One request on a server connection, and its answer, which is written to the connection's outbox when it is this stream's turn.
// The pipeline says whose turn it is; a stream whose turn has not come keeps what its owner wrote.

import type { FailureCode } from '../errors.ts';
import type { DownstreamStream, Receiver } from '../http/codec.ts';
import { type Head, isSafe } from '../http/head.ts';
import type { Outbox } from '../transport/outbox.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { Connection, Transport } from '../transport/transport.ts';
import {
  CLOSE,
  KEEP_ALIVE,
  SILENT,
  writeChunk,
  writeInterimHead,
  writeLastChunk,
  writeLine,
  writeResponseHead,
  writeUpgradeHead,
} from './encoder.ts';
import { CHUNKED, FIXED, NO_BODY, UNTIL_CLOSE, UPGRADED } from './strict.ts';

/** What a stream asks of its connection. */
export interface ServerStreamOwner {
  readonly transport: Transport;
  /** Before a head is written: may another request follow on this connection? `end`: the answer has no body. */
  mayGoOnAfter(stream: ServerStream, end: boolean): boolean;
  /** The answer is complete. */
  answered(stream: ServerStream): void;
  /** Both ends speak something else from now on. */
  upgraded(): void;
  pauseBody(stream: ServerStream): void;
  resumeBody(stream: ServerStream): void;
  /** The answer cannot be completed. `abrupt`: what was sent of it must not look whole. */
  cutOff(stream: ServerStream, abrupt: boolean): void;
}

export class ServerStream implements DownstreamStream {
  readonly protocol: 'HTTP/1.1' | 'HTTP/1.0';
  readonly destination: string | null;
  readonly method: string;
  /** Null: the rest of the request is read and thrown away. */
  receiver: Receiver | null = null;
  /** All of the request has been read. */
  requestDone = false;
  /** The client waits for "100 Continue" before it sends the body. */
  expectsContinue = false;
  keepAlive: boolean;
  /** What the client asks to speak in place of HTTP, or ''. */
  upgrade = '';
  /** The answer is complete. */
  done = false;
  headWritten = false;
  /** Cut off by its owner or by the connection's end: writes have no effect. */
  dead = false;
  /** What was written before this stream's turn; null once its turn has come. */
  private early: EarlyAnswer | null = null;
  private framing = NO_BODY;
  private remaining = 0;
  private readonly owner: ServerStreamOwner;
  private readonly out: Outbox;

  constructor(
    owner: ServerStreamOwner,
    method: string,
    http10: boolean,
    keepAlive: boolean,
    destination: string | null,
  ) {
    this.owner = owner;
    this.out = owner.transport.out;
    this.method = method;
    this.protocol = http10 ? 'HTTP/1.0' : 'HTTP/1.1';
    this.keepAlive = keepAlive;
    this.destination = destination;
  }

  get connection(): Connection {
    return this.owner.transport;
  }

  writeInterim(head: Head): boolean {
    if (this.dead || this.headWritten || this.done || this.protocol === 'HTTP/1.0') return true;
    if (this.waitsItsTurn()) return this.early!.addInterim(head);
    if (head.status === 100) this.expectsContinue = false;
    writeInterimHead(this.out, head);
    return this.out.roomLeft();
  }

  writeHead(head: Head, end: boolean): void {
    if (this.dead || this.headWritten || this.done) return;
    if (this.waitsItsTurn()) {
      this.early!.head = head;
      this.early!.end = end;
      return;
    }
    const { status } = head;
    this.headWritten = true;
    if (this.upgrade !== '') {
      // What the client has sent behind its offer, if there is no change, cannot be told apart from another request.
      this.keepAlive = false;
      if (status === 101) {
        this.framing = UPGRADED;
        writeUpgradeHead(this.out, head, this.upgrade);
        this.owner.upgraded();
        return;
      }
    }
    // A tunnel that was refused, or a body that may or may not follow: what comes next cannot be told apart.
    if (this.method === 'CONNECT' || (this.expectsContinue && !this.requestDone)) this.keepAlive = false;
    let length = head.contentLength;
    const bodyless = this.method === 'HEAD' || status === 204 || status === 304;
    if (bodyless) {
      this.framing = NO_BODY;
      // What a 304 says of it is the length of what it does not send.
      if (status === 204 || (status === 304 && !(end && length > 0))) length = -1;
    } else if (end) {
      this.framing = NO_BODY;
      length = 0;
    } else if (length >= 0) {
      this.framing = FIXED;
      this.remaining = length;
    } else if (this.protocol === 'HTTP/1.1') this.framing = CHUNKED;
    else {
      this.framing = UNTIL_CLOSE;
      this.keepAlive = false;
    }
    if (!this.owner.mayGoOnAfter(this, end)) this.keepAlive = false;
    const connection = !this.keepAlive ? CLOSE : this.protocol === 'HTTP/1.0' ? KEEP_ALIVE : SILENT;
    writeResponseHead(this.out, head, this.framing, length, connection);
    if (end || (bodyless && this.method !== 'HEAD')) this.finish();
  }

  writeData(chunk: Buffer, end: boolean): boolean {
    if (this.dead || this.done) return true;
    if (this.waitsItsTurn()) return this.early!.add(chunk, end);
    if (!this.headWritten) return true;
    if (this.framing === CHUNKED) {
      writeChunk(this.out, chunk);
      if (end) writeLastChunk(this.out, null);
    } else if (this.framing === UNTIL_CLOSE || this.framing === UPGRADED) this.out.append(chunk);
    else if (this.framing === FIXED) {
      // More than was announced would be read as the next answer.
      const fits = chunk.length <= this.remaining;
      this.out.append(fits ? chunk : chunk.subarray(0, this.remaining));
      this.remaining -= fits ? chunk.length : this.remaining;
      if (!fits || (end && this.remaining > 0)) {
        this.owner.cutOff(this, false);
        return true;
      }
    }
    if (end) {
      this.finish();
      return true;
    }
    return chunk.length === 0 ? !this.out.blocked : this.out.roomLeft();
  }

  writeTrailers(trailers: Head): void {
    if (this.dead || this.done) return;
    if (this.waitsItsTurn()) {
      this.early!.trailers = trailers;
      this.early!.ended = true;
    } else if (this.framing === CHUNKED && this.headWritten) {
      writeLastChunk(this.out, trailers);
      this.finish();
    } else this.writeData(EMPTY, true);
  }

  pauseReading(): void {
    this.owner.pauseBody(this);
  }

  resumeReading(): void {
    this.owner.resumeBody(this);
  }

  closeAfterResponse(): void {
    this.keepAlive = false;
  }

  /** The answer to a CONNECT that was accepted; the connection goes on. */
  acceptTunnel(): void {
    this.headWritten = true;
    this.keepAlive = true;
    writeLine(this.out, 'HTTP/1.1 200 OK\r\n\r\n');
    this.finish();
  }

  reset(): void {
    if (this.dead || this.done) return;
    this.receiver = null;
    this.owner.cutOff(this, this.framing === UNTIL_CLOSE && this.headWritten);
  }

  /** Earlier answers are not written yet: keep this one until `takeTurn`. */
  hold(): void {
    this.early = new EarlyAnswer();
  }

  takeTurn(): void {
    const { early } = this;
    this.early = null;
    if (early === null) return;
    for (const head of early.interim) this.writeInterim(head);
    if (early.head === null) {
      if (early.interim.length !== 0 && !this.out.blocked) this.receiver?.onWritable();
      return;
    }
    this.writeHead(early.head, early.end);
    for (let i = 0; i < early.chunks.length && !this.dead; i++) {
      this.writeData(early.chunks[i], early.ended && early.trailers === null && i === early.chunks.length - 1);
    }
    if (early.trailers !== null) this.writeTrailers(early.trailers);
    else if (!early.ended && !early.end && early.chunks.length !== 0 && !this.out.blocked) this.receiver?.onWritable();
  }

  private waitsItsTurn(): boolean {
    return this.early !== null;
  }

  private finish(): void {
    this.done = true;
    this.owner.answered(this);
  }
}

const EMPTY = Buffer.alloc(0);

/** An answer that came before its turn. Small: after the first chunk its owner is told to wait. */
class EarlyAnswer {
  readonly interim: Head[] = [];
  head: Head | null = null;
  end = false;
  readonly chunks: Buffer[] = [];
  ended = false;
  trailers: Head | null = null;

  addInterim(head: Head): boolean {
    if (this.head !== null) return true;
    this.interim.push(head);
    return false;
  }

  add(chunk: Buffer, end: boolean): boolean {
    retainBytes();
    this.chunks.push(chunk);
    this.ended = end;
    return end;
  }
}

/** The requests of one server connection that are not yet answered, in the order in which their answers leave. */
export class Pipeline {
  /** The stream whose answer is being written. */
  front: ServerStream | null = null;
  /** Read ahead of it; what their owners write is kept. */
  private readonly behind: ServerStream[] = [];

  get size(): number {
    return this.front === null ? 0 : 1 + this.behind.length;
  }

  /** Requests read ahead of the front. */
  get ahead(): number {
    return this.behind.length;
  }

  /** True when it is this stream's turn at once. */
  add(stream: ServerStream): boolean {
    if (this.front === null) {
      this.front = stream;
      return true;
    }
    stream.hold();
    this.behind.push(stream);
    return false;
  }

  /** True when none of them changes anything, so that a further safe one may be worked on beside them. */
  get allSafe(): boolean {
    if (this.front !== null && !isSafe(this.front.method)) return false;
    for (let i = 0; i < this.behind.length; i++) if (!isSafe(this.behind[i].method)) return false;
    return true;
  }

  /** A further request may be read, which may have to wait for its turn. */
  mayGrow(maxAhead: number): boolean {
    return this.front === null || (this.allSafe && this.ahead < maxAhead);
  }

  /** Takes the front out; the next one has its turn, which `takeTurn` begins. */
  shift(): ServerStream {
    const last = this.front!;
    this.front = this.behind.length === 0 ? null : this.behind.shift()!;
    return last;
  }

  /** None of them will be answered: their owners hear it, the pipeline is empty. */
  drop(reason: FailureCode): void {
    const { front } = this;
    if (front === null) return;
    const streams = [front, ...this.behind];
    this.front = null;
    this.behind.length = 0;
    for (const stream of streams) {
      const { receiver } = stream;
      stream.receiver = null;
      if (stream.dead) continue;
      stream.dead = true;
      if (!stream.done) receiver?.onReset(reason);
    }
  }
}
