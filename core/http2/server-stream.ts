// A request on a connection of HTTP/2 from a client, and its answer.

import type { FailureCode } from '../errors.ts';
import type { DownstreamStream, Receiver } from '../http/codec.ts';
import { FieldName, type Head } from '../http/head.ts';
import { writeBlock } from './frames.ts';
import { type HpackEncoder, scratchOf } from './hpack-encoder.ts';
import { MAX_DISCARD } from './limits.ts';
import { ENDED, Http2Stream, NOT_WRITTEN, OPEN, type StreamOwner } from './stream.ts';

const ACCEPT = new FieldName('sec-websocket-accept');

export interface ServerStreamOwner extends StreamOwner {
  /** Of all its streams. */
  readonly destination: string | null;
  readonly encoder: HpackEncoder;
  /** The peer is at fault for this stream, which is given up with this code. */
  blame(id: number, code: number): void;
}

export class ServerStream extends Http2Stream implements DownstreamStream {
  readonly protocol: string;
  readonly destination: string | null;
  receiver: Receiver | null = null;
  private readonly server: ServerStreamOwner;
  private readonly method: string;
  /** The code with which it ends when the head of its answer is out; -1: it ends well. */
  private refusal = -1;
  private discarded = 0;
  /** What the client sends is of another protocol, and nobody has agreed to that yet. */
  private offered = false;
  private wanted = true;

  constructor(server: ServerStreamOwner, id: number, method: string, sendWindow: number, protocol: string) {
    super(server);
    this.server = server;
    this.destination = server.destination;
    this.id = id;
    this.method = method;
    this.protocol = protocol;
    this.sendWindow = sendWindow;
  }

  /** Its answer is a head, and then it is given up with this code. */
  refuse(code: number): void {
    this.refusal = code;
  }

  /** It asks to speak something else: nothing of that is read before somebody has agreed. */
  offersUpgrade(): void {
    this.offered = true;
    super.pauseReading();
  }

  override pauseReading(): void {
    this.wanted = false;
    super.pauseReading();
  }

  override resumeReading(): void {
    this.wanted = true;
    if (!this.offered) super.resumeReading();
  }

  writeInterim(head: Head): boolean {
    if (this.dead || this.local !== NOT_WRITTEN) return true;
    this.block(head, -1, false);
    return this.out.roomLeft();
  }

  writeHead(head: Head, end: boolean): void {
    if (this.dead || this.local !== NOT_WRITTEN) return;
    const { status } = head;
    let length = head.contentLength;
    const bodyless = this.method === 'HEAD' || status === 204 || status === 304;
    if (bodyless) {
      // What a 304 says of it is the length of what it does not send.
      if (status === 204 || (status === 304 && !(end && length > 0))) length = -1;
    } else if (end) length = 0;
    else this.promised = length;
    const last = end || bodyless;
    this.local = OPEN;
    if (this.refusal >= 0) {
      // RFC 9113 8.1.1: what it is refused with may be said before.
      this.block(head, length, false);
      this.abandon(this.refusal);
      return;
    }
    if (status === 101 && this.offered) this.switched(head);
    else this.block(head, length, last);
    if (last) this.endLocal();
  }

  /** RFC 8441 5: a success, without the proof that only HTTP/1.1 needs. */
  private switched(head: Head): void {
    head.remove(ACCEPT);
    head.status = 200;
    this.block(head, -1, false);
    head.status = 101;
    this.offered = false;
    if (this.wanted) super.resumeReading();
  }

  private block(head: Head, length: number, end: boolean): void {
    const { encoder } = this.server;
    const b = scratchOf(encoder.size(head));
    writeBlock(this.out, this.id, b.subarray(0, encoder.response(b, 0, head, length)), end);
  }

  closeAfterResponse(): void {
    // Other streams go on.
  }

  protected override localEnded(): void {
    // What its owner has to hear of it, he has heard.
    this.receiver = null;
    this.offered = false;
    if (this.remote === OPEN) this.resumeReading();
  }

  protected override deliver(piece: Buffer, end: boolean): void {
    if (this.local !== ENDED) this.receiver?.onData(piece, end);
    else {
      // The rest of a request that was answered before it was read.
      this.discarded += piece.length;
      if (!end && this.discarded > MAX_DISCARD) this.enough();
    }
  }

  override broken(code: number): void {
    if (this.dead) return;
    const { receiver } = this;
    this.receiver = null;
    this.abandon(code);
    this.server.blame(this.id, code);
    receiver?.onReset('bad_request');
  }

  override fail(reason: FailureCode): void {
    if (this.dead) return;
    const { receiver } = this;
    this.receiver = null;
    this.abandon(-1);
    receiver?.onReset(reason);
  }

  override reset(): void {
    this.receiver = null;
    super.reset();
  }
}
