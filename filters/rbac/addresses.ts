// IP addresses: text to bytes, and whether one lies in a block. An IPv4 address written as IPv6 (::ffff:1.2.3.4) is IPv4.

import { Slice, slice } from '../sdk/slice';
import { temporary } from '../sdk/arena';

/** 4 or 16 bytes; does not exist when the text is no address. */
export function parseAddress(text: Slice): Slice {
  const at = temporary(16);
  if (text.indexOf(0x3a) < 0) return parse4(text, 0, at) ? slice(at, 4) : slice(0, 0, false);
  if (!parse6(text, at)) return slice(0, 0, false);
  const mapped = load<u64>(at) == 0 && load<u32>(at + 8) == 0xffff0000;
  return mapped ? slice(at + 12, 4) : slice(at, 16);
}

/** True if the first `bits` bits agree. A block is a byte of length and the address. */
export function inBlock(address: Slice, block: Slice): bool {
  if (block.length != address.length + 1) return false;
  let bits = <i32>block.at(0);
  for (let i = 0; bits > 0; i++, bits -= 8) {
    const different = address.at(i) ^ block.at(i + 1);
    if ((bits >= 8 ? different : different >> (8 - <u8>bits)) != 0) return false;
  }
  return true;
}

function parse4(text: Slice, from: i32, at: usize): bool {
  let part = 0;
  let value = -1;
  for (let i = from; i <= text.length; i++) {
    const c = i < text.length ? text.at(i) : 0x2e;
    if (c == 0x2e) {
      if (value < 0 || part > 3) return false;
      store<u8>(at + part++, <u8>value);
      value = -1;
      continue;
    }
    if (c < 48 || c > 57) return false;
    value = (value < 0 ? 0 : value * 10) + (<i32>c - 48);
    if (value > 255) return false;
  }
  return part == 4;
}

/** Groups before '::' are written from the left; those behind it are moved to the right end. */
function parse6(text: Slice, at: usize): bool {
  memory.fill(at, 0, 16);
  let written = 0;
  let gap = -1;
  let value = -1;
  let groupStart = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = i < text.length ? text.at(i) : 0x3a;
    if (c == 0x2e) {
      if (written > 12 || !parse4(text, groupStart, at + written)) return false;
      written += 4;
      value = -1;
      break;
    }
    if (c == 0x25) {
      // A zone (%eth0) ends the address.
      if (value >= 0) written = put(at, written, value);
      break;
    }
    if (c == 0x3a) {
      if (value >= 0) {
        if (written > 14) return false;
        written = put(at, written, value);
        value = -1;
      }
      if (i + 1 < text.length && text.at(i + 1) == 0x3a) {
        if (gap >= 0) return false;
        gap = written;
      }
      groupStart = i + 1;
      continue;
    }
    const digit = hex(c);
    if (digit < 0) return false;
    value = ((value < 0 ? 0 : value) << 4) | digit;
    if (value > 0xffff) return false;
  }
  if (gap < 0) return written == 16;
  const tail = written - gap;
  memory.copy(at + 16 - tail, at + gap, tail);
  memory.fill(at + gap, 0, 16 - written);
  return written < 16;
}

function put(at: usize, written: i32, value: i32): i32 {
  store<u8>(at + written, <u8>(value >> 8));
  store<u8>(at + written + 1, <u8>value);
  return written + 2;
}

function hex(c: u8): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const letter = c | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
