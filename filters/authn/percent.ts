// Percent-encoding in a query, where + is a space. What is no escape stays as it is.

import { temporary } from '../sdk/arena';
import { Slice, slice } from '../sdk/slice';

export function decoded(text: Slice): Slice {
  const start = temporary(text.length);
  let to = start;
  for (let i = 0; i < text.length; i++) {
    let c = text.at(i);
    if (c == 0x25 && i + 2 < text.length) {
      const high = digit(text.at(i + 1));
      const low = digit(text.at(i + 2));
      if (high >= 0 && low >= 0) {
        c = <u8>((high << 4) | low);
        i += 2;
      }
    } else if (c == 0x2b) c = 0x20;
    store<u8>(to++, c);
  }
  return slice(start, <i32>(to - start));
}

export function equalsDecoded(text: Slice, plain: Slice): bool {
  if (text.length == plain.length && text.equals(plain)) return true;
  return text.length > plain.length && decoded(text).equals(plain);
}

function digit(c: u8): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const letter = c | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
