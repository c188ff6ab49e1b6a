// What is taken out of a text, byte by byte: values of JSON fields, which may get shorter, and numbers of cards, which keep
// their length.
import { bytes, concat, Slice } from '@weft-mesh/weft/sdk';

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const COLON: u8 = 0x3a;
const STAR: u8 = 0x2a;
const EMPTY = bytes('');
const HIDDEN = bytes('"***"');
const LEAST_DIGITS: i32 = 13;
const MOST_DIGITS: i32 = 19;
/** '2' to '6': what issuers of cards have. Times in milliseconds begin with 1. */
const LEAST_FIRST: u8 = 0x32;
const MOST_FIRST: u8 = 0x36;
/** The last ones may be seen, as on a receipt. */
const SHOWN_DIGITS: i32 = 4;

/** The text with "***" as the value of these fields, at any depth; the same slice when it has none of them. */
export function redactFields(text: Slice, fields: Slice[]): Slice {
  let out = EMPTY;
  let from = 0;
  let found = false;
  for (let i = 0; i < text.length; ) {
    if (text.at(i) != QUOTE) {
      i++;
      continue;
    }
    const end = stringEnd(text, i);
    const colon = skipBlank(text, end);
    const name = text.part(i + 1, end - 1);
    i = end;
    if (colon >= text.length || text.at(colon) != COLON || !isOneOf(name, fields)) continue;
    const value = skipBlank(text, colon + 1);
    out = concat(concat(out, text.part(from, value)), HIDDEN);
    found = true;
    from = valueEnd(text, value);
    i = from;
  }
  return found ? concat(out, text.part(from, text.length)) : text;
}

/**
 * Numbers of 13 to 19 digits, with blanks or dashes between them or none, that begin as cards do and whose check digit fits:
 * stars but for the last four. Of JSON only strings are looked at, since a number with stars would be none.
 */
export function redactCards(text: Slice, json: bool): bool {
  let changed = false;
  for (let i = 0; i < text.length; ) {
    if (json && text.at(i) == QUOTE) {
      const end = stringEnd(text, i);
      if (redactCards(text.part(i + 1, end - 1), false)) changed = true;
      i = end;
      continue;
    }
    if (json || !isDigit(text.at(i))) {
      i++;
      continue;
    }
    let digits = 0;
    let end = i;
    for (let at = i; at < text.length; at++) {
      const c = text.at(at);
      if (isDigit(c)) {
        digits++;
        end = at + 1;
      } else if ((c != 0x20 && c != 0x2d) || at != end) break;
    }
    const first = text.at(i);
    const card = digits >= LEAST_DIGITS && digits <= MOST_DIGITS && first >= LEAST_FIRST && first <= MOST_FIRST;
    if (card && checkFits(text, i, end)) {
      hide(text, i, end, digits - SHOWN_DIGITS);
      changed = true;
    }
    i = end;
  }
  return changed;
}

function isDigit(c: u8): bool {
  return <u8>(c - 0x30) < 10;
}

function isOneOf(name: Slice, fields: Slice[]): bool {
  for (let i = 0; i < fields.length; i++) if (fields[i].equals(name)) return true;
  return false;
}

/** Behind the closing quote. */
function stringEnd(text: Slice, quote: i32): i32 {
  let i = quote + 1;
  for (; i < text.length; i++) {
    const c = text.at(i);
    if (c == BACKSLASH) i++;
    else if (c == QUOTE) return i + 1;
  }
  return text.length;
}

function skipBlank(text: Slice, from: i32): i32 {
  let i = from;
  while (i < text.length && text.at(i) <= 0x20) i++;
  return i;
}

/** Behind a string, a number or word, or a whole object or array. */
function valueEnd(text: Slice, from: i32): i32 {
  let depth = 0;
  for (let i = from; i < text.length; ) {
    const c = text.at(i);
    if (c == QUOTE) {
      i = stringEnd(text, i);
      if (depth == 0) return i;
      continue;
    }
    const opens = c == 0x7b || c == 0x5b;
    const closes = c == 0x7d || c == 0x5d;
    if (opens) depth++;
    else if (closes && --depth <= 0) return depth < 0 ? i : i + 1;
    else if (depth == 0 && (c == 0x2c || c <= 0x20)) return i;
    i++;
  }
  return text.length;
}

/** Luhn's check. */
function checkFits(text: Slice, from: i32, to: i32): bool {
  let sum: u32 = 0;
  let double = false;
  for (let i = to - 1; i >= from; i--) {
    const c = text.at(i);
    if (!isDigit(c)) continue;
    let digit: u32 = c - 0x30;
    if (double) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    double = !double;
    sum += digit;
  }
  return sum > 0 && sum % 10 == 0;
}

function hide(text: Slice, from: i32, to: i32, digits: i32): void {
  let left = digits;
  for (let i = from; i < to && left > 0; i++) {
    if (!isDigit(text.at(i))) continue;
    store<u8>(text.ptr + i, STAR);
    left--;
  }
}
