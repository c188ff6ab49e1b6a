// One of the many streams of a toy connection, at either end of it.

import type { FailureCode } from '../../../../core/errors.ts';
import type { DownstreamStream, Receiver, ResponseReceiver, UpstreamStream } from '../../../../core/http/codec.ts';
import type { Head } from '../../../../core/http/head.ts';
import { enter, leave } from '../../../../core/transport/outbox.ts';
import { retainBytes } from '../../../../core/transport/read-buffer.ts';
import type { Connection, Transport } from '../../../../core/transport/transport.ts';
import { DATA, decodeHead, encodeHead, GO_ON, HEAD, HOLD, RESET, TRAILERS, writeFrame } from './frames.ts';

export interface StreamOwner {
  readonly transport: Transport;
  /** It is over. */
  ended(stream: ToyStream): void;
}

interface Frame {
  readonly type: number;
  readonly payload: Buffer;
  readonly end: boolean;
}

export class ToyStream implements DownstreamStream, UpstreamStream {
  readonly id: number;
  readonly protocol = 'TOY';
  readonly destination = null;
  readonly reused: boolean;
  readonly http10 = false;
  /** Null once the owner hears nothing more. */
  receiver: Receiver | ResponseReceiver | null = null;
  answered = false;
  /** All of this end's message is written, and all of the other's was received. */
  written = false;
  received = false;
  private readonly owner: StreamOwner;
  private readonly answers: boolean;
  private readonly writtenBefore: number;
  private over = false;
  /** The peer wants no more for now: what is written meanwhile. */
  private held: Frame[] | null = null;
  /** The owner wants no more for now: what arrives meanwhile. */
  private arrived: Frame[] | null = null;
  private paused = false;
  private blocked = false;

  /** `answers`: it is the server's end. */
  constructor(owner: StreamOwner, id: number, answers: boolean, reused: boolean) {
    this.owner = owner;
    this.id = id;
    this.answers = answers;
    this.reused = reused;
    this.writtenBefore = owner.transport.out.written;
  }

  get connection(): Connection {
    return this.owner.transport;
  }

  get sent(): boolean {
    return this.owner.transport.out.written > this.writtenBefore;
  }

  writeInterim(head: Head): boolean {
    this.write(HEAD, encodeHead(head), false);
    return true;
  }

  writeHead(head: Head, end: boolean): void {
    this.write(HEAD, encodeHead(head), end);
  }

  writeData(chunk: Buffer, end: boolean): boolean {
    if (this.over || this.written) return true;
    this.write(DATA, chunk, end);
    if (end) return true;
    const room = this.held === null && (chunk.length === 0 || this.owner.transport.out.roomLeft());
    if (!room) this.blocked = true;
    return room;
  }

  writeTrailers(trailers: Head): void {
    this.write(TRAILERS, encodeHead(trailers), true);
  }

  pauseReading(): void {
    if (this.over || this.received || this.paused) return;
    this.paused = true;
    this.arrived ??= [];
    writeFrame(this.owner.transport.out, HOLD, this.id);
  }

  resumeReading(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.over) return;
    writeFrame(this.owner.transport.out, GO_ON, this.id);
    // On the next tick: whoever lifts the hold is in the middle of something.
    process.nextTick(() => this.deliverArrived());
  }

  reset(): void {
    if (this.over) return;
    writeFrame(this.owner.transport.out, RESET, this.id);
    this.finish();
  }

  closeAfterResponse(): void {
    // The other streams go on.
  }

  /** The peer has given it up, or the connection is no more: told until the answer is whole. */
  fail(reason: FailureCode): void {
    const { receiver } = this;
    const whole = this.answers ? this.written : this.received;
    this.finish();
    if (!whole) receiver?.onReset(reason);
  }

  onFrame(type: number, payload: Buffer, end: boolean): void {
    if (type === HOLD) this.held ??= [];
    else if (type === GO_ON) this.goOn();
    else if (this.arrived === null) this.deliver(type, payload, end);
    else {
      retainBytes();
      this.arrived.push({ type, payload, end });
    }
  }

  /** The connection takes bytes again. */
  onDrain(): void {
    if (this.held === null) this.tellWritable();
  }

  private write(type: number, payload: Buffer, end: boolean): void {
    if (this.over || this.written) return;
    if (this.held !== null) {
      retainBytes();
      this.held.push({ type, payload, end });
    } else this.put(type, payload, end);
  }

  private put(type: number, payload: Buffer, end: boolean): void {
    writeFrame(this.owner.transport.out, type, this.id, payload, end);
    if (!end) return;
    this.written = true;
    this.settle();
  }

  private goOn(): void {
    const { held } = this;
    this.held = null;
    for (const { type, payload, end } of held ?? []) this.put(type, payload, end);
    if (!this.owner.transport.out.blocked) this.tellWritable();
  }

  private tellWritable(): void {
    if (!this.blocked) return;
    this.blocked = false;
    if (!this.written) this.receiver?.onWritable();
  }

  private deliverArrived(): void {
    enter();
    while (this.arrived !== null && !this.paused && !this.over) {
      const next = this.arrived.shift();
      if (next === undefined) this.arrived = null;
      else this.deliver(next.type, next.payload, next.end);
    }
    leave();
  }

  private deliver(type: number, payload: Buffer, end: boolean): void {
    const { receiver } = this;
    this.answered = true;
    if (end) this.received = true;
    if (type === DATA) receiver?.onData(payload, end);
    else {
      const head = decodeHead(payload);
      if (head === null) {
        this.received = false;
        this.fail('protocol_error');
        return;
      }
      if (type === TRAILERS) receiver?.onTrailers(head);
      else if (receiver !== null && 'onHead' in receiver) {
        if (head.status >= 100 && head.status < 200) receiver.onInterim(head);
        else receiver.onHead(head, end);
      }
    }
    if (end) this.settle();
  }

  private settle(): void {
    if (this.written && this.received) this.finish();
    else if (this.written && this.answers) {
      // What is left of the request is thrown away.
      this.receiver = null;
      this.resumeReading();
    }
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.receiver = null;
    this.arrived = null;
    this.held = null;
    this.owner.ended(this);
  }
}
