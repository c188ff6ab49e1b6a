// One gRPC stream of a guest: what comes becomes messages, and however it ends, its status is the last that the guest hears of it.

import {
  GRPC_EXHAUSTED,
  GRPC_INTERNAL,
  GRPC_UNAVAILABLE,
  GRPC_UNKNOWN,
  grpcMessageIn,
  grpcStatusIn,
  grpcStatusOfHttp,
} from '../../http/grpc-status.ts';
import type { Head } from '../../http/head.ts';
import { GrpcUnframing, Misframed } from './grpc-framing.ts';
import type { OpenStream, StreamReceiver } from './upstreams.ts';

/** Bytes of messages that have come in part, of all streams of an instance. */
const MAX_HELD_BYTES = 64 << 20;

/** Who tells the guest. */
export interface StreamTeller {
  held: number;
  isOpen(id: number): boolean;
  headCame(id: number, head: Head | null): void;
  messageCame(id: number, message: Buffer): void;
  trailersCame(id: number, trailers: Head | null): void;
  closed(id: number, status: number, text: string): void;
}

/** What became of a message. */
export type Sent = 'sent' | 'ended' | 'too many';

export class GrpcStream implements StreamReceiver {
  sending: OpenStream | null = null;
  private readonly teller: StreamTeller;
  private readonly id: number;
  private readonly unframing = new GrpcUnframing();
  private ended = false;
  /** Of the bytes that it holds. */
  private counted = 0;

  constructor(teller: StreamTeller, id: number) {
    this.teller = teller;
    this.id = id;
  }

  send(bytes: Buffer, end: boolean): Sent {
    if (this.ended) return 'ended';
    if (this.sending?.send(bytes, end) !== true) return 'too many';
    this.ended = end;
    return 'sent';
  }

  /** The guest hears no more of it. */
  over(): void {
    this.unframing.clear();
    this.count();
  }

  onHead(head: Head, end: boolean): void {
    const { teller, id } = this;
    // In an answer without a message the head is the trailers.
    teller.headCame(id, end ? null : head);
    if (head.status !== 200 && (!end || grpcStatusIn(head) < 0)) {
      this.fail(grpcStatusOfHttp(head.status), `HTTP status ${head.status}`);
    } else if (end) this.onTrailers(head);
  }

  onData(bytes: Buffer, end: boolean): void {
    const { teller, id, unframing } = this;
    try {
      for (let at = 0; teller.isOpen(id); ) {
        const next = unframing.next(bytes, at);
        if (next === null) break;
        at = next.end;
        teller.messageCame(id, next.message);
      }
    } catch (error) {
      if (!(error instanceof Misframed)) throw error;
      this.fail(GRPC_INTERNAL, error.message);
      return;
    }
    if (!teller.isOpen(id)) return;
    this.count();
    if (teller.held > MAX_HELD_BYTES) this.fail(GRPC_EXHAUSTED, 'too many large messages are on their way');
    else if (end) this.fail(GRPC_UNKNOWN, 'the answer has no status');
  }

  onTrailers(trailers: Head): void {
    const { teller, id, unframing } = this;
    teller.trailersCame(id, trailers);
    const status = grpcStatusIn(trailers);
    if (!unframing.whole) teller.closed(id, GRPC_INTERNAL, 'the answer is cut off in the middle of a message');
    else teller.closed(id, status < 0 ? GRPC_UNKNOWN : status, grpcMessageIn(trailers));
  }

  onFailure(failure: string): void {
    this.fail(GRPC_UNAVAILABLE, failure);
  }

  private count(): void {
    this.teller.held += this.unframing.held - this.counted;
    this.counted = this.unframing.held;
  }

  /** As of a status that came, after trailers that did not. */
  private fail(status: number, text: string): void {
    const { teller, id } = this;
    this.sending?.giveUp();
    teller.trailersCame(id, null);
    teller.closed(id, status, text);
  }
}
