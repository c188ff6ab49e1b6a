// The guest's contexts: which filter object a context's number stands for. A table with open addressing in two arrays,
// because hosts number contexts upwards: neighbours do not collide, and no entry is an object.

import { HttpFilter } from './filter';

let capacity: u32 = 64;
let ids: usize = heap.alloc(64 << 2);
let filters = new StaticArray<HttpFilter | null>(64);
let used: u32 = 0;

memory.fill(ids, 0, 64 << 2);

/** The filter of this context, or null. */
export function filterOf(id: u32): HttpFilter | null {
  const mask = capacity - 1;
  let at = id & mask;
  while (idAt(at) != id) {
    if (idAt(at) == 0) return null;
    at = (at + 1) & mask;
  }
  return unchecked(filters[at]);
}

export function addContext(id: u32, filter: HttpFilter): void {
  if (used * 2 >= capacity) grow();
  place(id, filter);
  used++;
}

export function removeContext(id: u32): void {
  const mask = capacity - 1;
  let hole = id & mask;
  while (idAt(hole) != id) {
    if (idAt(hole) == 0) return;
    hole = (hole + 1) & mask;
  }
  used--;
  // What lies behind moves forward unless it would pass its own place.
  for (let at = (hole + 1) & mask; idAt(at) != 0; at = (at + 1) & mask) {
    if (((at - idAt(at)) & mask) < ((at - hole) & mask)) continue;
    setId(hole, idAt(at));
    unchecked((filters[hole] = filters[at]));
    hole = at;
  }
  setId(hole, 0);
  unchecked((filters[hole] = null));
}

function place(id: u32, filter: HttpFilter | null): void {
  const mask = capacity - 1;
  let at = id & mask;
  while (idAt(at) != 0) at = (at + 1) & mask;
  setId(at, id);
  unchecked((filters[at] = filter));
}

function grow(): void {
  const oldIds = ids;
  const oldFilters = filters;
  const old = capacity;
  capacity <<= 1;
  ids = heap.alloc(capacity << 2);
  memory.fill(ids, 0, capacity << 2);
  filters = new StaticArray<HttpFilter | null>(capacity);
  for (let i: u32 = 0; i < old; i++) {
    const id = load<u32>(oldIds + (i << 2));
    if (id != 0) place(id, unchecked(oldFilters[i]));
  }
  heap.free(oldIds);
}

// @ts-ignore: decorator
@inline
function idAt(index: u32): u32 {
  return load<u32>(ids + (index << 2));
}

// @ts-ignore: decorator
@inline
function setId(index: u32, id: u32): void {
  store<u32>(ids + (index << 2), id);
}
