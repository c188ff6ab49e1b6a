// Memory that lasts for one callback: where the host puts what it hands over, and where slices live.
// A bump pointer, set back when the next callback begins. It grows when a value does not fit; only the largest block is
// kept, so a filter's memory settles at what its largest message needs.
//
//   block: link (8 bytes: the block that it outgrew, readable until the callback ends) | bytes ...

const LINK: usize = 8;
const FIRST: usize = 4096;
const LARGEST: usize = 0x40000000;

let block: usize = heap.alloc(FIRST);
let end: usize = block + FIRST;
let top: usize = block + LINK;
let outgrown: usize = 0;

/** `size` bytes, 8-aligned, until the next callback; 0 when there is no such room. */
export function temporary(size: usize): usize {
  const at = top;
  const next = at + ((size + 7) & ~7);
  // The second test is for a size so large that the sum wraps around.
  if (next <= end && next >= at) {
    top = next;
    return at;
  }
  return grow(size);
}

/** Every callback but memory allocation begins with this. */
// @ts-ignore: decorator
@inline
export function beginCallback(): void {
  if (outgrown != 0) discard();
  top = block + LINK;
}

function grow(size: usize): usize {
  let capacity = (end - block) << 1;
  while (capacity < size + 2 * LINK && capacity < LARGEST) capacity <<= 1;
  if (size > LARGEST || capacity < size + 2 * LINK) return 0;
  const larger = heap.alloc(capacity);
  store<usize>(block, outgrown);
  outgrown = block;
  block = larger;
  end = larger + capacity;
  top = larger + LINK + ((size + 7) & ~7);
  return larger + LINK;
}

function discard(): void {
  while (outgrown != 0) {
    const next = load<usize>(outgrown);
    heap.free(outgrown);
    outgrown = next;
  }
}
