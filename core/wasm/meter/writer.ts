// A growing buffer for what the rewriter puts out.

export class Writer {
  private buffer: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
  }

  byte(value: number): void {
    if (this.length === this.buffer.length) this.grow(1);
    this.buffer[this.length++] = value;
  }

  raw(...values: readonly number[]): void {
    for (const value of values) this.byte(value);
  }

  u32(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 0x80);
    this.byte(rest);
  }

  /** Signed LEB128 of a number that is not negative, as `i32.const` has it. */
  positive(value: number): void {
    let rest = value;
    for (; rest > 0x3f; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  copy(source: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (this.length + length > this.buffer.length) this.grow(length);
    this.buffer.set(source.subarray(from, to), this.length);
    this.length += length;
  }

  name(text: string): void {
    const bytes = Buffer.from(text);
    this.u32(bytes.length);
    this.copy(bytes, 0, bytes.length);
  }

  /** Its size, then what was written to `content`. */
  sized(content: Writer): void {
    this.u32(content.length);
    this.copy(content.buffer, 0, content.length);
  }

  clear(): void {
    this.length = 0;
  }

  /** A copy of all that was written. */
  take(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer.subarray(0, this.length));
  }

  private grow(by: number): void {
    const next = new Uint8Array(Math.max(this.buffer.length * 2, this.length + by));
    next.set(this.buffer.subarray(0, this.length));
    this.buffer = next;
  }
}
