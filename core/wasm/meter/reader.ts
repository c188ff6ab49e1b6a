// Reads the pieces of a WebAssembly binary, strictly: whatever is cut off or malformed is refused with its offset.
import { PluginRefused } from '../guest/traps.ts';

export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  /** Where the piece at hand ends; a section or a function's body may not reach beyond. */
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    if (this.at >= this.end) this.refuse('ends too early');
    return this.bytes[this.at++];
  }

  /** Unsigned LEB128, at most 32 bits. */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const from = this.at - 1;
    let value = first & 0x7f;
    for (let shift = 7; ; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) this.refuse('a number of more than 32 bits', from);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** Passes a signed LEB128 of at most `bits` bits. */
  skipSigned(bits: 32 | 33 | 64): void {
    const from = this.at;
    const most = Math.ceil(bits / 7);
    for (let i = 1; this.byte() >= 0x80; i++) if (i === most) this.refuse(`a number of more than ${bits} bits`, from);
  }

  skip(length: number): void {
    if (length > this.end - this.at) this.refuse('ends too early');
    this.at += length;
  }

  name(): string {
    const length = this.u32();
    const from = this.at;
    this.skip(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + from, length).toString('utf8');
  }

  /** A vector's count; each of its items takes at least one byte. */
  count(what: string): number {
    const from = this.at;
    const count = this.u32();
    if (count > this.end - this.at) this.refuse(`${count} ${what} do not fit`, from);
    return count;
  }

  /** The next `length` bytes as a piece of their own; this reader goes on behind them. */
  piece(length: number): Reader {
    const from = this.at;
    this.skip(length);
    return new Reader(this.bytes, from, this.at);
  }

  refuse(reason: string, at = this.at): never {
    throw new PluginRefused(`${reason} at offset 0x${at.toString(16)}`);
  }
}
