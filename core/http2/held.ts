// What has come of a body while its reader takes nothing: in buffers of its own, filled one after the other, so that small pieces do
// not keep large ones. As much as a stream's window at most.

import type { Head } from '../http/head.ts';

const LEAST = 4096;

export class Held {
  /** Bytes in it. */
  size = 0;
  trailers: Head | null = null;
  private ended = false;
  private readonly buffers: Buffer[] = [];
  /** Bytes used of the last buffer. */
  private used = 0;

  /** The body has ended, and the piece that `next` returned was its last. */
  get isLast(): boolean {
    return this.ended && this.buffers.length === 0;
  }

  add(piece: Buffer, end: boolean): void {
    if (end) this.ended = true;
    this.size += piece.length;
    let at = 0;
    const last = this.buffers.at(-1);
    if (last !== undefined) {
      at = piece.copy(last, this.used);
      this.used += at;
    }
    if (at === piece.length) return;
    const rest = piece.length - at;
    const buffer = Buffer.allocUnsafe(Math.max(LEAST, rest));
    this.used = piece.copy(buffer, 0, at);
    this.buffers.push(buffer);
  }

  /** The next piece, which is its receiver's; null: there is none, unless the body ends with an empty one. */
  next(): Buffer | null {
    const buffer = this.buffers.shift();
    if (buffer === undefined) {
      if (!this.ended || this.trailers !== null) return null;
      return NOTHING;
    }
    const piece = this.buffers.length === 0 ? buffer.subarray(0, this.used) : buffer;
    if (this.buffers.length === 0) this.used = 0;
    this.size -= piece.length;
    return piece;
  }
}

const NOTHING = Buffer.alloc(0);
