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
  // Both ends are aligned: what fits, fits with the bytes that align the next.
  if (size > end - at) return grow(size);
  top = at + ((size + 7) & ~7);
  return at;
}

/** Every callback but memory allocation begins with this. */
// @ts-ignore: decorator
@inline
export function beginCallback(): void {
  if (outgrown != 0) discard();
  top = block + LINK;
}

function grow(size: usize): usize {
  if (size > LARGEST) return 0;
  const capacity = max((end - block) << 1, (size + 3 * LINK) & ~7);
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
