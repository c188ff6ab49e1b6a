// The guest's contexts: which object a context's number stands for, and whose turn it is. A table with open addressing,
// because hosts number contexts upwards: neighbours do not collide, and no entry is an object.
//
//   entry: u32 context (0: free) | pointer of the object, which is pinned: nothing else need refer to it

import { proxy_set_effective_context } from './abi';
import { beginCallback } from './arena';
import { Plugin } from './filter';
import { closeFrame } from './frame';
import { forgetLevel } from './log';

const ENTRY: usize = 8;

let capacity: u32 = 64;
let table: usize = cleared(capacity);
let used: u32 = 0;

/** Callbacks between two looks at the garbage. */
const EVERY: u32 = 512;
let callbacks: u32 = 0;

/** The context whose callback runs. */
export let current: u32 = 0;

/** A callback of this context begins. Returns its object, or null. */
export function enter(id: u32): Plugin | null {
  beginCallback();
  closeFrame();
  forgetLevel();
  current = id;
  if (++callbacks % EVERY == 0) tidy();
  return objectOf(id);
}

/** The number of the stream, connection or configuration whose callback runs, for actFor(). */
export function currentContext(): u32 {
  return current;
}

/** Until this callback ends, what is asked and done concerns this stream or connection. False: it has ended. */
export function actFor(context: u32): bool {
  closeFrame();
  return proxy_set_effective_context(context) == 0;
}

/** The object of this context, or null. */
export function objectOf(id: u32): Plugin | null {
  return changetype<Plugin | null>(load<usize>(entryOf(id), 4));
}

/** Nothing of ours is on the stack when a callback begins, so whatever is not reachable is garbage. */
function tidy(): void {
  __collect();
}

export function addContext(id: u32, object: Plugin): void {
  if (used * 2 >= capacity) grow();
  const entry = entryOf(id);
  store<u32>(entry, id);
  store<usize>(entry, changetype<usize>(object), 4);
  if (object.contexts++ == 0) __pin(changetype<usize>(object));
  used++;
}

export function removeContext(id: u32): void {
  let at = entryOf(id);
  if (load<u32>(at) == 0) return;
  const object = changetype<Plugin>(load<usize>(at, 4));
  if (--object.contexts == 0) __unpin(changetype<usize>(object));
  used--;
  store<u64>(at, 0);
  // What lies behind may have a place before itself now.
  while (load<u32>((at = following(at))) != 0) {
    const moved = load<u64>(at);
    store<u64>(at, 0);
    store<u64>(entryOf(<u32>moved), moved);
  }
}

/** The entry of this context, or the free one where it belongs. */
function entryOf(id: u32): usize {
  let at = table + (id & (capacity - 1)) * ENTRY;
  while (load<u32>(at) != id && load<u32>(at) != 0) at = following(at);
  return at;
}

function following(entry: usize): usize {
  return table + ((entry + ENTRY - table) & ((<usize>capacity - 1) * ENTRY));
}

function grow(): void {
  const old = table;
  const end = table + capacity * ENTRY;
  capacity <<= 1;
  table = cleared(capacity);
  for (let at = old; at < end; at += ENTRY) if (load<u32>(at) != 0) store<u64>(entryOf(load<u32>(at)), load<u64>(at));
  heap.free(old);
}

function cleared(entries: u32): usize {
  const made = heap.alloc(entries * ENTRY);
  memory.fill(made, 0, entries * ENTRY);
  return made;
}
