// Where tokens stand in a request: behind a prefix in a header, in a parameter of the query, in a cookie. Every occurrence
// counts, because the application may read another one than the first.

import { IN_COOKIE, IN_HEADER, IN_PARAMETER } from '../../core/builtins/authn/layout';
import { temporary } from '../sdk/arena';
import { Cursor } from '../sdk/cursor';
import { bytes, Head, PATH, Slice, slice } from '../sdk/index';
import { decoded, equalsDecoded } from './percent';

const COOKIE = bytes('cookie');
const TAB: u8 = 0x09;
const COMMA: u8 = 0x2c;
const AMPERSAND: u8 = 0x26;
const SEMICOLON: u8 = 0x3b;
const EQUALS: u8 = 0x3d;
const QUOTE: u8 = 0x22;
const SPACE: u8 = 0x20;

/** u8 kind | text name | text prefix. On the arena. */
@unmanaged
export class Place {
  kind: u8;
  name: Slice;
  prefix: Slice;

  static read(at: Cursor): Place {
    const place = changetype<Place>(temporary(offsetof<Place>()));
    place.kind = at.u8();
    place.name = at.text();
    place.prefix = at.text();
    return place;
  }
}

/** The tokens of one place, one after the other. On the arena. */
@unmanaged
export class Tokens {
  place: Place;
  /** What is still to be searched. */
  rest: Slice;

  static at(place: Place, head: Head): Tokens {
    const tokens = changetype<Tokens>(temporary(offsetof<Tokens>()));
    tokens.place = place;
    tokens.rest = searched(place, head);
    return tokens;
  }

  /** The next one, or one that does not exist. */
  next(): Slice {
    const place = this.place;
    const rest = this.rest;
    if (!rest.exists) return rest;
    if (place.kind == IN_HEADER) return this.nextInHeader(place.prefix);
    const separator = place.kind == IN_PARAMETER ? AMPERSAND : SEMICOLON;
    for (let from = 0; from <= rest.length; ) {
      const to = endOfPart(rest, from, separator);
      const part = trimmed(rest.part(from, to));
      from = to + 1;
      if (!carries(place, part)) continue;
      this.rest = from <= rest.length ? rest.part(from, rest.length) : slice(0, 0, false);
      return valueOf(place, part);
    }
    this.rest = slice(0, 0, false);
    return this.rest;
  }

  /** Several fields of one name are one value, joined by commas, which no token has: each part may be one. */
  private nextInHeader(prefix: Slice): Slice {
    const rest = this.rest;
    const whole = prefix.indexOf(COMMA) >= 0 || rest.indexOf(COMMA) < 0;
    this.rest = slice(0, 0, false);
    if (whole) return behindPrefix(rest, prefix);
    for (let from = 0; from <= rest.length; ) {
      const to = endOfPart(rest, from, COMMA);
      const token = behindPrefix(trimmed(rest.part(from, to)), prefix);
      from = to + 1;
      if (!token.exists || token.length == 0) continue;
      if (from <= rest.length) this.rest = trimmed(rest.part(from, rest.length));
      return token;
    }
    return this.rest;
  }
}

/** Takes the tokens of this place out of the request. */
export function withoutToken(place: Place, head: Head): void {
  if (place.kind == IN_HEADER) {
    head.remove(place.name);
    return;
  }
  const all = searched(place, head);
  if (!all.exists) return;
  const parameter = place.kind == IN_PARAMETER;
  const separator = parameter ? AMPERSAND : SEMICOLON;
  const path = parameter ? head.get(PATH) : all;
  const before = parameter ? path.length - all.length - 1 : 0;
  const start = temporary(path.length + 2);
  memory.copy(start, path.ptr, before);
  let to = start + before;
  for (let from = 0; from <= all.length; ) {
    const end = endOfPart(all, from, separator);
    const part = trimmed(all.part(from, end));
    from = end + 1;
    if (carries(place, part)) continue;
    if (parameter) {
      store<u8>(to, to == start + before ? 0x3f : AMPERSAND);
      to++;
    } else if (to > start) {
      store<u8>(to++, SEMICOLON);
      store<u8>(to++, SPACE);
    }
    memory.copy(to, part.ptr, part.length);
    to += part.length;
  }
  const left = slice(start, <i32>(to - start));
  if (parameter) head.set(PATH, left);
  else if (left.length > 0) head.set(COOKIE, left);
  else head.remove(COOKIE);
}

/** A header's value, the query, or the cookies. */
function searched(place: Place, head: Head): Slice {
  if (place.kind == IN_HEADER) return head.get(place.name);
  if (place.kind == IN_COOKIE) return head.get(COOKIE);
  const path = head.get(PATH);
  const query = path.indexOf(0x3f);
  return query < 0 ? slice(0, 0, false) : path.part(query + 1, path.length);
}

/** What follows the prefix, whose letters' case and kind of space do not count; does not exist when the value does not begin with it. */
function behindPrefix(value: Slice, prefix: Slice): Slice {
  if (value.length < prefix.length) return slice(0, 0, false);
  for (let i = 0; i < prefix.length; i++) if (alike(value.at(i)) != alike(prefix.at(i))) return slice(0, 0, false);
  return trimmed(value.part(prefix.length, value.length));
}

function carries(place: Place, part: Slice): bool {
  const equals = part.indexOf(EQUALS);
  const name = equals < 0 ? part : part.part(0, equals);
  if (equals < 0) return false;
  return place.kind == IN_PARAMETER ? equalsDecoded(name, place.name) : trimmed(name).equals(place.name);
}

function valueOf(place: Place, part: Slice): Slice {
  const value = part.part(part.indexOf(EQUALS) + 1, part.length);
  if (place.kind == IN_PARAMETER) return decoded(value);
  const plain = trimmed(value);
  const last = plain.length - 1;
  return last > 0 && plain.at(0) == QUOTE && plain.at(last) == QUOTE ? plain.part(1, last) : plain;
}

function endOfPart(text: Slice, from: i32, separator: u8): i32 {
  const end = text.indexOf(separator, from);
  return end < 0 ? text.length : end;
}

function trimmed(text: Slice): Slice {
  let from = 0;
  let to = text.length;
  while (from < to && alike(text.at(from)) == SPACE) from++;
  while (to > from && alike(text.at(to - 1)) == SPACE) to--;
  return text.part(from, to);
}

/** In lower case; a tab is a space. */
function alike(c: u8): u8 {
  if (c == TAB) return SPACE;
  return c >= 65 && c <= 90 ? c | 32 : c;
}
