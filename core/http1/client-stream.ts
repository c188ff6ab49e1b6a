// One request on a client connection: writes it, remembers how far it got, and passes the answer to its receiver.

import type { FailureCode } from '../errors.ts';
import type { ResponseReceiver, UpstreamStream } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import type { Outbox } from '../transport/outbox.ts';
import type { Connection, Transport } from '../transport/transport.ts';
import { writeChunk, writeLastChunk, writeRequestHead } from './encoder.ts';
import { CHUNKED, FIXED, NO_BODY, UPGRADED } from './strict.ts';

/** What a stream asks of its connection. */
export interface ClientStreamOwner {
  readonly transport: Transport;
  /** Both directions have ended. */
  settle(): void;
  /** FIN after what was written: the request was an upgraded connection. */
  endWriting(): void;
  /** The owner has lost interest, or the request cannot be completed. */
  cancel(stream: ClientStream): void;
  pauseBody(stream: ClientStream): void;
  resumeBody(stream: ClientStream): void;
}

export class ClientStream implements UpstreamStream {
  readonly reused: boolean;
  answered = false;
  http10 = false;
  method = '';
  /** Null once the owner hears nothing more. */
  receiver: ResponseReceiver | null;
  headWritten = false;
  requestDone = false;
  responseStarted = false;
  responseDone = false;
  private framing = NO_BODY;
  private remaining = 0;
  private readonly owner: ClientStreamOwner;
  private readonly out: Outbox;
  private readonly writtenBefore: number;

  constructor(owner: ClientStreamOwner, receiver: ResponseReceiver, reused: boolean) {
    this.owner = owner;
    this.out = owner.transport.out;
    this.receiver = receiver;
    this.reused = reused;
    this.writtenBefore = this.out.written;
  }

  /** It asks to speak something else. */
  get upgrades(): boolean {
    return this.framing === UPGRADED;
  }

  get connection(): Connection {
    return this.owner.transport;
  }

  get sent(): boolean {
    return this.out.written > this.writtenBefore;
  }

  writeHead(head: Head, end: boolean): void {
    if (this.receiver === null || this.headWritten) return;
    this.method = head.method;
    const { contentLength } = head;
    let length = -1;
    if (end) {
      // Methods that mean to send something say that it is nothing (RFC 9110 8.6).
      if (head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH') length = 0;
    } else if (contentLength >= 0) {
      this.framing = FIXED;
      this.remaining = contentLength;
      length = contentLength;
    } else this.framing = head.upgrade === '' ? CHUNKED : UPGRADED;
    if (!writeRequestHead(this.out, head, this.framing, length)) {
      // Told later: the owner is in the middle of asking.
      process.nextTick(() => this.refuse());
      return;
    }
    this.headWritten = true;
    if (end) this.finish();
  }

  writeData(chunk: Buffer, end: boolean): boolean {
    if (this.receiver === null || this.requestDone || !this.headWritten) return true;
    if (this.framing === CHUNKED) {
      writeChunk(this.out, chunk);
      if (end) writeLastChunk(this.out, null);
    } else if (this.framing === UPGRADED) {
      this.out.append(chunk);
      if (end) this.owner.endWriting();
    } else {
      // A byte too many would be the next request, a byte too few would swallow it.
      if (chunk.length > this.remaining || (end && chunk.length < this.remaining)) {
        process.nextTick(() => this.refuse());
        return true;
      }
      this.remaining -= chunk.length;
      this.out.append(chunk);
    }
    if (end) {
      this.finish();
      return true;
    }
    return chunk.length === 0 ? !this.out.blocked : this.out.roomLeft();
  }

  writeTrailers(trailers: Head): void {
    if (this.receiver === null || this.requestDone || !this.headWritten) return;
    if (this.framing === CHUNKED) {
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

  reset(): void {
    this.receiver = null;
    this.owner.cancel(this);
  }

  fail(reason: FailureCode): void {
    const { receiver } = this;
    this.receiver = null;
    if (!this.responseDone) receiver?.onReset(reason);
  }

  private refuse(): void {
    if (this.receiver === null) return;
    this.owner.cancel(this);
    this.fail('filter_failed');
  }

  private finish(): void {
    this.requestDone = true;
    if (this.responseDone) this.owner.settle();
  }
}

const EMPTY = Buffer.alloc(0);
