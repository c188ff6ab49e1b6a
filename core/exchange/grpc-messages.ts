// How many messages a gRPC call has carried each way: counted by their prefixes (a flag, and a length of four bytes), wherever they
// lie in the pieces of a body. Keeps nothing of a message.

import { isGrpc } from '../http/grpc-status.ts';
import type { Head } from '../http/head.ts';

const PREFIX = 5;

/** One way. */
class MessageCount {
  count = 0;
  /** Bytes of the message under way that are to come. */
  private rest = 0;
  /** Of the next one's prefix: bytes that have come, and the length in them. */
  private had = 0;
  private length = 0;

  add(piece: Buffer): void {
    const end = piece.length;
    let at = 0;
    while (at < end) {
      if (this.rest > 0) {
        const size = Math.min(this.rest, end - at);
        this.rest -= size;
        at += size;
        continue;
      }
      if (this.had > 0) this.length = this.length * 256 + piece[at];
      at++;
      if (++this.had < PREFIX) continue;
      this.count++;
      this.rest = this.length;
      this.had = 0;
      this.length = 0;
    }
  }
}

export class GrpcMessages {
  readonly sent = new MessageCount();
  readonly received = new MessageCount();

  /** Of a request of HTTP/2, since HTTP/1 carries no calls. Null: it is none. */
  static of(head: Head): GrpcMessages | null {
    return isGrpc(head) ? new GrpcMessages() : null;
  }
}
