// A guest's linear memory as host functions see it. Growth detaches every view, so each host call begins with attach():
// one compare. Every pointer is checked here before a byte moves; nothing here trusts a guest's number.

import { MemoryCapExceeded } from './abort.ts';

const SHORT = 48;

export class GuestMemory {
  /** The whole memory. Valid until the guest runs again. */
  bytes: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private memory: WebAssembly.Memory | null = null;
  private readonly capBytes: number;

  constructor(capBytes: number) {
    this.capBytes = capBytes;
  }

  /** The guest is linked. Until then its memory reads as empty. */
  open(memory: WebAssembly.Memory): void {
    this.memory = memory;
    this.attach();
  }

  get size(): number {
    return this.memory === null ? 0 : this.memory.buffer.byteLength;
  }

  /** Makes the views current. A detached buffer has length 0. */
  attach(): void {
    if (this.bytes.length !== 0 || this.memory === null) return;
    const { buffer } = this.memory;
    if (buffer.byteLength > this.capBytes) {
      throw new MemoryCapExceeded(`memory grew to ${buffer.byteLength} bytes, the cap is ${this.capBytes}`);
    }
    this.bytes = Buffer.from(buffer);
    this.view = new DataView(buffer);
  }

  /** True if `length` bytes at `pointer` lie inside; both unsigned. */
  holds(pointer: number, length: number): boolean {
    return pointer + length <= this.bytes.length;
  }

  u32(pointer: number): number {
    return this.view.getUint32(pointer, true);
  }

  setU32(pointer: number, value: number): void {
    this.view.setUint32(pointer, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    this.view.setBigUint64(pointer, value, true);
  }

  latin1(pointer: number, length: number): string {
    return this.bytes.latin1Slice(pointer, pointer + length);
  }

  utf8(pointer: number, length: number): string {
    return this.bytes.toString('utf8', pointer, pointer + length);
  }

  /** A copy that outlives the call. */
  copyOut(pointer: number, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    copy.set(this.bytes.subarray(pointer, pointer + length));
    return copy;
  }

  /** Writes a latin1 string whose room was checked. Short ones by hand: a native call costs more than they do. */
  writeLatin1(text: string, pointer: number): void {
    const { bytes } = this;
    if (text.length > SHORT) {
      bytes.latin1Write(text, pointer, text.length);
      return;
    }
    for (let i = 0; i < text.length; i++) bytes[pointer + i] = text.charCodeAt(i);
  }

  writeBytes(source: Uint8Array, start: number, length: number, pointer: number): void {
    const { bytes } = this;
    if (length > SHORT) {
      bytes.set(source.subarray(start, start + length), pointer);
      return;
    }
    for (let i = 0; i < length; i++) bytes[pointer + i] = source[start + i];
  }
}
