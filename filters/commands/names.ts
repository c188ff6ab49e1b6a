// A fixed set of names, found by their bytes: what a peer says becomes one of so many numbers, and what is none of them is 0.
//
//   table: u16 number of a name (0: free), at its hash or the next free place behind

import { bytes, Slice } from '../sdk/index';

const SPACE: u8 = 32;
const SLOTS: u32 = 512;

/** What is none of the names: free places say so, too. */
export const OTHER: i32 = 0;

export class Names {
  /** Names from 1 on, below this. */
  readonly count: i32;
  private readonly text: Slice;
  private readonly starts: StaticArray<i32> = new StaticArray<i32>(SLOTS / 2);
  private readonly lengths: StaticArray<i32> = new StaticArray<i32>(SLOTS / 2);
  private readonly table: StaticArray<u16> = new StaticArray<u16>(SLOTS);

  /** `list`: fewer than 256 names with a space between each two. */
  constructor(list: string) {
    const text = bytes(list);
    this.text = text;
    let number = 1;
    for (let from = 0; from <= text.length; number++) {
      const space = text.indexOf(SPACE, from);
      const to = space < 0 ? text.length : space;
      this.starts[number] = from;
      this.lengths[number] = to - from;
      let at = hash(text.ptr + from, to - from);
      while (this.table[at] != 0) at = (at + 1) & (SLOTS - 1);
      this.table[at] = <u16>number;
      from = to + 1;
    }
    this.count = number;
  }

  find(ptr: usize, length: i32): i32 {
    let at = hash(ptr, length);
    let number = <i32>this.table[at];
    while (number != 0 && !this.is(number, ptr, length)) {
      at = (at + 1) & (SLOTS - 1);
      number = <i32>this.table[at];
    }
    return number;
  }

  private is(number: i32, ptr: usize, length: i32): bool {
    return this.lengths[number] == length && memory.compare(this.text.ptr + this.starts[number], ptr, length) == 0;
  }

  nameOf(number: i32): string {
    if (number == OTHER) return 'other';
    return String.UTF8.decodeUnsafe(this.text.ptr + this.starts[number], this.lengths[number]);
  }
}

/** FNV-1a. */
function hash(ptr: usize, length: i32): u32 {
  let value: u32 = 0x811c9dc5;
  for (let i = 0; i < length; i++) value = (value ^ load<u8>(ptr + i)) * 0x01000193;
  return (value ^ (value >> 15)) & (SLOTS - 1);
}
