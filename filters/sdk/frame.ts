// The frame: headers and properties that the host puts here before a callback, so that reading them is no call. Filters
// declare nothing: what a filter reads with one head by a constant name (bytes()) it finds here with the next one. Where the host knows of no
// frame, nothing is ever put here, and every header is asked for.
//
//   u32 slots that the host has filled with headers for the callback it is about to make, as bits
//   u32 names in use | u32 wanted of a request, as bits | u32 wanted of a response | u32 wanted of properties
//   u32 slots that it has filled with properties
//   names: (u32 pointer | u32 length) * 16
//   values, laid out as slices: (u32 pointer | u32 length | u8 exists | u8 0 | u16 0) * 16
//   room for values

import { COUNT, FRAME_SIZE, NAMES, SLOTS, TOLD, VALUE, VALUES, WANTED } from './layout';
import { Slice } from './slice';

export const FRAME: usize = memory.data(FRAME_SIZE, 8);

/** The slot of a constant that was not asked for yet. */
const NEW: u8 = 0xff;
const NO_HEAD: u32 = 1;
/** In place of a map. */
const PROPERTIES: u32 = 4;

/** Slots whose value still is the head's. */
let filled: u32 = 0;
/** Slots whose property still is the stream's. */
let told: u32 = 0;
/** The map that the running callback is about, if it is a head's. */
let about: u32 = NO_HEAD;

/** A callback begins: what the frame holds is of another. */
// @ts-ignore: decorator
@inline
export function closeFrame(): void {
  filled = 0;
  told = 0;
  about = NO_HEAD;
}

/** The callback is about the head in this map (0 or 2), which the host may have read into the frame. */
// @ts-ignore: decorator
@inline
export function openFrame(map: u32): void {
  about = map;
  filled = load<u32>(FRAME);
  told = load<u32>(FRAME, TOLD);
  store<u32>(FRAME, 0);
  store<u32>(FRAME, 0, TOLD);
}

/** Where the value of this slot lies, as a Slice; 0: it has to be asked for. */
// @ts-ignore: decorator
@inline
export function framed(slot: u8, map: u32): usize {
  return about == map && ((filled >> (slot - 1)) & 1) != 0 ? FRAME + VALUES + <usize>(slot - 1) * VALUE : 0;
}

/** Where the value of this property lies, as a Slice; 0: it has to be asked for. */
export function offered(path: Slice): usize {
  const slot = path.slot;
  if (slot == 0 || about == NO_HEAD) return 0;
  if (((told >> (slot - 1)) & 1) != 0) return FRAME + VALUES + <usize>(slot - 1) * VALUE;
  want(path, PROPERTIES);
  return 0;
}

/** A function of the host may have changed what properties say. */
export function forgetProperties(): void {
  told = 0;
}

/** This constant was read of this map: the host shall put it here the next time. */
export function wish(name: Slice, map: u32): void {
  if (about == map) want(name, map);
}

function want(name: Slice, map: u32): void {
  if (name.slot == NEW) {
    const count = load<u32>(FRAME, COUNT);
    if (count == SLOTS) {
      name.slot = 0;
      return;
    }
    store<u32>(FRAME + NAMES + (<usize>count << 3), <u32>name.ptr);
    store<u32>(FRAME + NAMES + (<usize>count << 3), name.length, 4);
    store<u32>(FRAME, count + 1, COUNT);
    name.slot = <u8>(count + 1);
  }
  const wanted = FRAME + WANTED + (map << 1);
  store<u32>(wanted, load<u32>(wanted) | (1 << (name.slot - 1)));
}

/** The filter writes to the head: what it reads afterwards is asked for. */
// @ts-ignore: decorator
@inline
export function outdated(): void {
  filled = 0;
}
