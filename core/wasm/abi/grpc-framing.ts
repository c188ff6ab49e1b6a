// How gRPC puts messages into a body, and takes them out again wherever they lie in its pieces. None is compressed, since no filter says
// that it could read that.
//
//   u8 compressed | u32 length, big-endian | message

const PREFIX = 5;
/** Bytes of one message that a filter is given. */
const MAX_MESSAGE_BYTES = 4 << 20;

export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX);
  return bytes;
}

export class GrpcUnframing {
  /** Bytes of the message under way that have come, and that are held. */
  held = 0;
  private readonly pieces: Buffer[] = [];
  private readonly prefix = Buffer.alloc(PREFIX);
  private had = 0;
  private length = 0;

  /** False: it is cut off in the middle of a message. */
  get whole(): boolean {
    return this.had === 0;
  }

  /**
   * The first message that `bytes` complete, from `at` on, and where it ends; null: all of them are taken, and it is not whole yet.
   * Throws what is wrong, in a few words.
   */
  next(bytes: Buffer, at: number): { readonly message: Buffer; readonly end: number } | null {
    let from = at;
    while (this.had < PREFIX) {
      if (from === bytes.length) return null;
      this.prefix[this.had++] = bytes[from++];
    }
    if (this.held === 0) {
      if (this.prefix[0] !== 0) throw new Misframed('a message is compressed');
      this.length = this.prefix.readUInt32BE(1);
      if (this.length > MAX_MESSAGE_BYTES) throw new Misframed(`a message has more than ${MAX_MESSAGE_BYTES} bytes`);
    }
    const end = Math.min(bytes.length, from + this.length - this.held);
    const piece = bytes.subarray(from, end);
    if (this.held + piece.length < this.length) {
      // A copy: what comes from a connection is lent.
      if (piece.length > 0) this.pieces.push(Buffer.from(piece));
      this.held += piece.length;
      return null;
    }
    const message = this.pieces.length === 0 ? piece : Buffer.concat([...this.pieces, piece]);
    this.clear();
    return { message, end };
  }

  clear(): void {
    this.pieces.length = 0;
    this.held = 0;
    this.had = 0;
  }
}

export class Misframed extends Error {}
