// Numbers as text, the way headers and bodies carry them.

import { temporary } from './arena';
import { Slice, slice } from './slice';

const DIGITS: usize = 20;

/** The number in decimal; lasts for this callback. */
export function decimal(value: i64): Slice {
  const at = temporary(DIGITS);
  // The smallest i64 has no positive counterpart, as an unsigned number it has.
  let rest: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  let from = DIGITS;
  do {
    store<u8>(at + --from, 48 + <u8>(rest % 10));
    rest /= 10;
  } while (rest > 0);
  if (value < 0) store<u8>(at + --from, 0x2d);
  return slice(at + from, <i32>(DIGITS - from));
}

/** A whole number as JSON writes it, or `otherwise` when it has a fraction or an exponent, or does not fit. */
export function wholeNumber(text: Slice, otherwise: i64): i64 {
  const negative = text.at(0) == 0x2d;
  let total: u64 = 0;
  for (let i = negative ? 1 : 0; i < text.length; i++) {
    const c = text.at(i);
    if (!isDigit(c) || total > (<u64>i64.MAX_VALUE - (c - 48)) / 10) return otherwise;
    total = total * 10 + (c - 48);
  }
  return negative ? -(<i64>total) : <i64>total;
}

/** A number as JSON writes it; exact for up to 15 digits. */
export function floatingNumber(text: Slice): f64 {
  let digits: u64 = 0;
  let scale = 0;
  let fraction = false;
  let i = text.at(0) == 0x2d ? 1 : 0;
  for (; i < text.length; i++) {
    const c = text.at(i);
    if (c == 0x2e) fraction = true;
    else if (!isDigit(c)) break;
    else if (digits < 100000000000000000) {
      digits = digits * 10 + (c - 48);
      if (fraction) scale--;
    } else if (!fraction) scale++;
  }
  let exponent = 0;
  if (i < text.length) {
    const sign = text.at(++i);
    if (!isDigit(sign)) i++;
    for (; i < text.length; i++) if (exponent < 1000) exponent = exponent * 10 + (text.at(i) - 48);
    if (sign == 0x2d) exponent = -exponent;
  }
  scale += exponent;
  let result = <f64>digits;
  // One division for a fraction: that is exact where both numbers are.
  let power: f64 = 1;
  for (let n = min(abs(scale), 700); n > 0; n--) {
    power *= 10;
    if (power < 1e22 && n > 1) continue;
    result = scale < 0 ? result / power : result * power;
    power = 1;
  }
  return text.at(0) == 0x2d ? -result : result;
}

export function isDigit(c: u8): bool {
  return <u32>c - 48 <= 9;
}
