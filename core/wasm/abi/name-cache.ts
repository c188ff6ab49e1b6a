// What a guest names again and again (headers, properties, functions), found by the bytes of its name where they lie: a
// look-up makes no string. Bounded: a name takes the place of another that falls on the same slot.

import type { GuestMemory } from './memory.ts';

const SLOTS = 128;
/** Longer names are made anew each time. */
const LONGEST = 64;

export class NameCache<Value> {
  private readonly names: string[] = new Array(SLOTS).fill('');
  private readonly values: (Value | undefined)[] = new Array(SLOTS).fill(undefined);
  private readonly make: (name: string) => Value;

  /** `make`: the value of a name, which is latin1. */
  constructor(make: (name: string) => Value) {
    this.make = make;
  }

  get(memory: GuestMemory, at: number, length: number): Value {
    if (length === 0) return this.make('');
    const { bytes } = memory;
    const slot = (length * 31 + bytes[at] * 7 + bytes[at + length - 1] * 3 + bytes[at + (length >> 1)]) & (SLOTS - 1);
    const known = this.names[slot];
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[at + i]) i++;
      if (i === length) return this.values[slot] as Value;
    }
    const name = memory.latin1(at, length);
    const value = this.make(name);
    if (length <= LONGEST) {
      this.names[slot] = name;
      this.values[slot] = value;
    }
    return value;
  }
}
