// Bytes that lie somewhere: a header's value, a name, a configuration. Comparing, searching and passing them on costs
// nothing; a string is made only when asked for. Slices of what the host handed over last for one callback: keep() copies.

import { temporary } from './arena';

const ONES: u64 = 0x0101010101010101;
const HIGH_BITS: u64 = 0x8080808080808080;

@unmanaged
export class Slice {
  ptr: usize;
  length: i32;
  /** False: there is no such value (an empty value exists). */
  exists: bool;
  /** Of a constant: its place in the frame, from 1. The SDK's. */
  slot: u8;

  equals(other: Slice): bool {
    return this.length == other.length && this.exists == other.exists && memory.compare(this.ptr, other.ptr, this.length) == 0;
  }

  startsWith(prefix: Slice): bool {
    return this.length >= prefix.length && memory.compare(this.ptr, prefix.ptr, prefix.length) == 0;
  }

  endsWith(suffix: Slice): bool {
    const from = this.length - suffix.length;
    return from >= 0 && memory.compare(this.ptr + from, suffix.ptr, suffix.length) == 0;
  }

  /** Place of the first such byte at or after `from`, or -1. */
  indexOf(byte: u8, from: i32 = 0): i32 {
    let i = from;
    // Eight at a time: the lowest byte that is equal turns its highest bit on, and what differs below it none.
    const eight = <u64>byte * ONES;
    for (; i + 8 <= this.length; i += 8) {
      const different = load<u64>(this.ptr + i) ^ eight;
      const zero = (different - ONES) & ~different & HIGH_BITS;
      if (zero != 0) return i + <i32>(ctz(zero) >> 3);
    }
    for (; i < this.length; i++) if (load<u8>(this.ptr + i) == byte) return i;
    return -1;
  }

  /** The byte at `index`; there is no check. */
  // @ts-ignore: decorator
  @inline
  at(index: i32): u8 {
    return load<u8>(this.ptr + index);
  }

  /** Bytes from..to without copying them. */
  part(from: i32, to: i32): Slice {
    const start = max(0, min(from, this.length));
    return slice(this.ptr + start, max(0, min(to, this.length) - start));
  }

  /** A decimal number, or `otherwise` when it is none or does not fit. */
  toInt(otherwise: i32 = -1): i32 {
    if (this.length == 0 || this.length > 9) return otherwise;
    let value = 0;
    for (let i = 0; i < this.length; i++) {
      const digit = <i32>this.at(i) - 48;
      if (<u32>digit > 9) return otherwise;
      value = value * 10 + digit;
    }
    return value;
  }

  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }

  /** A copy that lasts; give it back with release(). */
  keep(): Slice {
    const copy = changetype<Slice>(heap.alloc(offsetof<Slice>() + this.length));
    copy.ptr = changetype<usize>(copy) + offsetof<Slice>();
    copy.length = this.length;
    copy.exists = this.exists;
    copy.slot = 0;
    memory.copy(copy.ptr, this.ptr, this.length);
    return copy;
  }

  /** Frees what keep() made. */
  release(): void {
    heap.free(changetype<usize>(this));
  }
}

/** There is no such value, and it lasts: for fields until they are given one that was kept. */
export const NOTHING: Slice = changetype<Slice>(memory.data(offsetof<Slice>(), 4));

/** A slice over bytes that lie somewhere already; lasts for this callback. */
export function slice(ptr: usize, length: i32, exists: bool = true): Slice {
  const made = changetype<Slice>(temporary(offsetof<Slice>()));
  made.ptr = ptr;
  made.length = length;
  made.exists = exists;
  made.slot = 0;
  return made;
}

/** Both, one behind the other; lasts for this callback. */
export function concat(a: Slice, b: Slice): Slice {
  const at = temporary(a.length + b.length);
  memory.copy(at, a.ptr, a.length);
  memory.copy(at + a.length, b.ptr, b.length);
  return slice(at, a.length + b.length);
}

/** A constant, such as a header's name: for the top level of a filter's file. */
export function bytes(text: string): Slice {
  const made = changetype<Slice>(heap.alloc(offsetof<Slice>()));
  made.ptr = heap.alloc(text.length * 3);
  made.length = encode(text, made.ptr);
  made.exists = true;
  // NEW in frame.ts, which is not there yet when the first constants are made.
  made.slot = 0xff;
  return made;
}

/** A text of this callback as bytes. */
export function utf8(text: string): Slice {
  const at = temporary(text.length * 3);
  return slice(at, encode(text, at));
}

/** Writes UTF-8: at most three bytes for each of the text's units. Returns how many. */
function encode(text: string, at: usize): i32 {
  const length = text.length;
  let to = at;
  for (let i = 0; i < length; i++) {
    let code = <u32>load<u16>(changetype<usize>(text) + (<usize>i << 1));
    if (code < 0x80) {
      store<u8>(to++, code);
      continue;
    }
    if (code < 0x800) store<u8>(to++, 0xc0 | (code >> 6));
    else {
      if ((code & 0xfc00) == 0xd800 && i + 1 < length) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (load<u16>(changetype<usize>(text) + (<usize>++i << 1)) & 0x3ff);
        store<u8>(to++, 0xf0 | (code >> 18));
        store<u8>(to++, 0x80 | ((code >> 12) & 0x3f));
      } else store<u8>(to++, 0xe0 | (code >> 12));
      store<u8>(to++, 0x80 | ((code >> 6) & 0x3f));
    }
    store<u8>(to++, 0x80 | (code & 0x3f));
  }
  return <i32>(to - at);
}
