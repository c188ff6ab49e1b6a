// Lists of headers, as the ABI passes them: to read a whole head, and to write the headers of an answer or a call.
//
//   u32 count | (u32 nameLength, u32 valueLength) * count | (name 00 value 00) * count

import { temporary } from './arena';
import { Slice, slice } from './slice';

@unmanaged
class Pair {
  name: Slice;
  value: Slice;
  next: Pair;
}

/** Headers that are being put together: `pairs().add(NAME, VALUE)`. Lasts for this callback. */
@unmanaged
export class Pairs {
  private first: Pair;
  private last: Pair;
  private count: i32;
  private size: i32;

  add(name: Slice, value: Slice): Pairs {
    const pair = changetype<Pair>(temporary(offsetof<Pair>()));
    pair.name = name;
    pair.value = value;
    pair.next = changetype<Pair>(0);
    if (this.count++ == 0) this.first = pair;
    else this.last.next = pair;
    this.last = pair;
    this.size += name.length + value.length + 2;
    return this;
  }

  /** The ABI's bytes; none for an empty list. */
  encode(): Slice {
    const count = this.count;
    if (count == 0) return slice(0, 0);
    const length = 4 + count * 8 + this.size;
    const out = temporary(length);
    store<u32>(out, count);
    let lengths = out + 4;
    let at = lengths + (<usize>count << 3);
    for (let pair = this.first; changetype<usize>(pair) != 0; pair = pair.next) {
      store<u32>(lengths, pair.name.length);
      store<u32>(lengths, pair.value.length, 4);
      lengths += 8;
      at = terminated(pair.value, terminated(pair.name, at));
    }
    return slice(out, length);
  }
}

/** No headers yet. */
export function pairs(): Pairs {
  const made = temporary(offsetof<Pairs>());
  memory.fill(made, 0, offsetof<Pairs>());
  return changetype<Pairs>(made);
}

/** Goes through a list of headers: next() is true while there is one. Lasts for this callback. */
@unmanaged
export class PairReader {
  name: Slice;
  value: Slice;
  private left: i32;
  private lengths: usize;
  private at: usize;

  next(): bool {
    if (this.left <= 0) return false;
    this.left--;
    this.name.length = load<i32>(this.lengths);
    this.name.ptr = this.at;
    this.value.length = load<i32>(this.lengths, 4);
    this.value.ptr = this.at + this.name.length + 1;
    this.at = this.value.ptr + this.value.length + 1;
    this.lengths += 8;
    return true;
  }

  /** Where the next next() begins. The SDK's. */
  open(list: Slice): void {
    this.left = list.length >= 4 ? load<i32>(list.ptr) : 0;
    this.lengths = list.ptr + 4;
    this.at = this.lengths + (<usize>this.left << 3);
    this.name = slice(0, 0);
    this.value = slice(0, 0);
  }
}

/** Reads what the host handed over. */
export function readPairs(list: Slice): PairReader {
  const reader = changetype<PairReader>(temporary(offsetof<PairReader>()));
  reader.open(list);
  return reader;
}

function terminated(text: Slice, at: usize): usize {
  memory.copy(at, text.ptr, text.length);
  store<u8>(at + text.length, 0);
  return at + text.length + 1;
}
