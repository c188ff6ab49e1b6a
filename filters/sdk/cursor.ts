// Reads a binary configuration from left to right; lengths before texts, sizes before what may be skipped. On the arena.

import { temporary } from './arena';
import { Slice, slice } from './slice';

@unmanaged
export class Cursor {
  position: usize;

  u8(): u8 {
    return load<u8>(this.position++);
  }

  u16(): u32 {
    const value = load<u16>(this.position);
    this.position += 2;
    return value;
  }

  /** Where the item that begins here with its size ends. */
  sized(): usize {
    const size = load<u32>(this.position);
    this.position += 4;
    return this.position + size;
  }

  text(): Slice {
    const length = this.u16();
    const text = slice(this.position, length);
    this.position += length;
    return text;
  }
}

export function cursor(position: usize): Cursor {
  const made = changetype<Cursor>(temporary(offsetof<Cursor>()));
  made.position = position;
  return made;
}
