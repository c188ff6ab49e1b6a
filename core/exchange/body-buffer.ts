// A message's body while filters look at it: the chunk that passes, or everything held since a filter paused.
// Splices are what proxy_set_buffer_bytes asks for. Bounded by the chain, not here.

export class BodyBuffer {
  private chunks: Buffer[] = [];
  length = 0;

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

  /** Replaces `remove` bytes at `start` by `data`; a start at or past the end appends, (0, 0) prepends. */
  splice(start: number, remove: number, data: Uint8Array): void {
    const whole = this.bytes();
    const from = Math.min(start, whole.length);
    const to = Math.min(from + remove, whole.length);
    const next = Buffer.concat([whole.subarray(0, from), data, whole.subarray(to)]);
    this.chunks = next.length === 0 ? [] : [next];
    this.length = next.length;
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
