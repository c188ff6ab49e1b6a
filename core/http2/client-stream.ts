// A request on a connection of HTTP/2 to an upstream: writes it, remembers how far it got, and passes the answer to its receiver.

import type { FailureCode } from '../errors.ts';
import type { ResponseReceiver, UpstreamStream } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import { CANCEL, PROTOCOL_ERROR, writeBlock } from './frames.ts';
import { type HpackEncoder, scratchOf } from './hpack-encoder.ts';
import { Http2Stream, NOT_WRITTEN, OPEN, type StreamOwner } from './stream.ts';

export interface ClientStreamOwner extends StreamOwner {
  readonly encoder: HpackEncoder;
  /** Gives the stream its number, and says how much the peer takes of it. False: there are none left. */
  number(stream: ClientStream): boolean;
  /** The upstream is at fault for a stream that is given up with this code. */
  blame(id: number, code: number): void;
}

export class ClientStream extends Http2Stream implements UpstreamStream {
  readonly reused: boolean;
  readonly http10 = false;
  answered = false;
  method = '';
  /** The head of the real answer has come. */
  responseStarted = false;
  interim = 0;
  receiver: ResponseReceiver | null;
  private readonly client: ClientStreamOwner;
  private writtenBefore = 0;

  constructor(client: ClientStreamOwner, receiver: ResponseReceiver, reused: boolean) {
    super(client);
    this.client = client;
    this.receiver = receiver;
    this.reused = reused;
  }

  get sent(): boolean {
    // What was gathered before its head has not been written before it.
    return this.local !== NOT_WRITTEN && this.out.written > this.writtenBefore;
  }

  writeHead(head: Head, end: boolean): void {
    if (this.dead || this.local !== NOT_WRITTEN) return;
    this.method = head.method;
    let length = -1;
    if (end) {
      // Methods that mean to send something say that it is nothing (RFC 9110 8.6).
      if (head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH') length = 0;
    } else {
      length = head.contentLength;
      this.promised = length;
    }
    const { encoder } = this.client;
    const b = scratchOf(encoder.size(head));
    const size = encoder.request(b, 0, head, length);
    if (size < 0 || !this.client.number(this)) {
      // Told later: the owner is in the middle of asking.
      process.nextTick(() => this.fail('filter_failed'));
      return;
    }
    this.local = OPEN;
    this.writtenBefore = this.out.written;
    writeBlock(this.out, this.id, b.subarray(0, size), end);
    if (end) this.endLocal();
  }

  /** The real answer's head. */
  headCame(head: Head, end: boolean): void {
    this.receiver?.onHead(head, end);
    if (end) this.settle();
  }

  /** The request is not what its head announced. */
  protected override breakOff(): void {
    process.nextTick(() => {
      if (this.dead) return;
      const { receiver } = this;
      this.receiver = null;
      this.abandon(CANCEL);
      receiver?.onReset('filter_failed');
    });
  }

  override malformed(): void {
    this.broken(PROTOCOL_ERROR);
  }

  override broken(code: number): void {
    this.giveUp(code, 'protocol_error');
  }

  /** The peer is told with this code, the owner with that. */
  giveUp(code: number, reason: FailureCode): void {
    if (this.dead) return;
    const { receiver } = this;
    const answered = this.remote !== OPEN && this.drained;
    this.receiver = null;
    this.abandon(code);
    // Who has the whole answer has heard all.
    if (!answered) receiver?.onReset(reason);
    if (code >= 0) this.client.blame(this.id, code);
  }

  override fail(reason: FailureCode): void {
    this.giveUp(-1, reason);
  }

  override reset(): void {
    this.receiver = null;
    super.reset();
  }
}
