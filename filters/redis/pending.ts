// Commands that wait for their replies, in order: a ring of numbers and times, which grows up to a limit.
//
//   entry: u64 microseconds << 16 | command

const FIRST: u32 = 16;
const MOST: u32 = 8192;

export class Pending {
  private ring: usize = 0;
  private capacity: u32 = 0;
  private first: u32 = 0;
  length: u32 = 0;

  /** False: there is no room for it. */
  push(command: i32, micros: u64): bool {
    if (this.length == this.capacity && !this.grow()) return false;
    const at = (this.first + this.length++) & (this.capacity - 1);
    store<u64>(this.ring + (<usize>at << 3), (micros << 16) | <u64>command);
    return true;
  }

  /** Of the oldest. */
  get command(): i32 {
    return <i32>(load<u64>(this.ring + (<usize>this.first << 3)) & 0xffff);
  }

  get micros(): u64 {
    return load<u64>(this.ring + (<usize>this.first << 3)) >> 16;
  }

  shift(): void {
    this.first = (this.first + 1) & (this.capacity - 1);
    this.length--;
  }

  clear(): void {
    if (this.ring != 0) heap.free(this.ring);
    this.ring = 0;
    this.capacity = 0;
    this.first = 0;
    this.length = 0;
  }

  private grow(): bool {
    if (this.capacity == MOST) return false;
    const capacity = max(FIRST, this.capacity << 1);
    const ring = heap.alloc(<usize>capacity << 3);
    for (let i: u32 = 0; i < this.length; i++) {
      const at = (this.first + i) & (this.capacity - 1);
      store<u64>(ring + (<usize>i << 3), load<u64>(this.ring + (<usize>at << 3)));
    }
    if (this.ring != 0) heap.free(this.ring);
    this.ring = ring;
    this.capacity = capacity;
    this.first = 0;
    return true;
  }
}
