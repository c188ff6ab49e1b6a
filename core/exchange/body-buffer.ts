// A message's body while filters look at it: the chunk that passes, or everything held since a filter paused.
// Splices are what proxy_set_buffer_bytes asks for. Bounded by the chain, not here.

export class BodyBuffer {
  private chunks: Buffer[] = [];
  length = 0;

  static of(chunk: Buffer): BodyBuffer {
    const body = new BodyBuffer();
    body.append(chunk);
    return body;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** All bytes as one buffer (coalesced at most once per change). Not to be written to. */
  bytes(): Buffer {
    if (this.chunks.length === 1) return this.chunks[0];
    const whole = Buffer.concat(this.chunks, this.length);
    this.chunks = this.length === 0 ? [] : [whole];
    return whole;
  }

  /**
   * Replaces `remove` bytes at `start` by `data`; a start at or past the end appends, (0, 0) prepends. `data` is the body's
   * from then on.
   */
  splice(start: number, remove: number, data: Uint8Array): void {
    const put = Buffer.from(data.buffer, data.byteOffset, data.length);
    const whole = start === 0 && remove >= this.length ? EMPTY : this.bytes();
    const parts = [whole.subarray(0, start), put, whole.subarray(start + remove)];
    this.chunks = parts.filter(({ length }) => length > 0);
    this.length = this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** The bytes from `start` on, in memory of their own. */
  copy(start: number): Buffer<ArrayBuffer> {
    const own = Buffer.allocUnsafeSlow(this.length - start);
    let at = -start;
    for (const chunk of this.chunks) {
      if (at + chunk.length > 0) chunk.copy(own, Math.max(at, 0), Math.max(-at, 0));
      at += chunk.length;
    }
    return own;
  }

  /** Hands over the first `count` bytes, and keeps the rest. */
  shift(count: number): Buffer {
    const whole = this.bytes();
    this.chunks = count >= whole.length ? [] : [whole.subarray(count)];
    this.length = Math.max(0, whole.length - count);
    return whole.subarray(0, count);
  }

  /** Hands the bytes over and is empty afterwards. */
  take(): Buffer {
    const whole = this.bytes();
    this.chunks = [];
    this.length = 0;
    return whole;
  }
}

const EMPTY = Buffer.alloc(0);
