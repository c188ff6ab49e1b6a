// JSON for configurations and answers: parsed once into nodes on the arena that point into the text. Nothing is an object
// of the language, so it works with every runtime; all of it lasts for this callback, keep() what is needed later.
//
//   node: kind | count | text (a string decoded, a number as it was written) | name (of a member) | first | next

import { temporary } from './arena';
import { decimal, floatingNumber, isDigit, wholeNumber } from './number';
import { concat, Slice, slice, utf8 } from './slice';

export enum JsonKind {
  /** There is no such member or element. */
  Missing,
  Null,
  Bool,
  Number,
  String,
  Array,
  Object,
  /** The text is no JSON: problem() says where and why. */
  Invalid,
}

const MAX_BYTES: i32 = 1 << 20;
const MAX_VALUES: i32 = 1 << 16;
const MAX_DEPTH: i32 = 64;

@unmanaged
export class Json {
  kind: JsonKind;
  /** Members of an object, elements of an array. */
  count: i32;
  private text: Slice;
  private label: Slice;
  private child: Json;
  private sibling: Json;

  get exists(): bool {
    return this.kind != JsonKind.Missing;
  }

  get valid(): bool {
    return this.kind != JsonKind.Invalid;
  }

  /** The member of this name, the last if there are several; one that is Missing if there is none. */
  get(name: Slice): Json {
    let found = NONE;
    if (this.kind != JsonKind.Object) return found;
    for (let member = this.first(); member.exists; member = member.next()) {
      if (member.label.equals(name)) found = member;
    }
    return found;
  }

  /** The first member or element: `for (let rule = rules.first(); rule.exists; rule = rule.next())`. */
  first(): Json {
    return changetype<usize>(this.child) == 0 ? NONE : this.child;
  }

  /** The member or element after this one. */
  next(): Json {
    return changetype<usize>(this.sibling) == 0 ? NONE : this.sibling;
  }

  /** The name of a member. */
  name(): Slice {
    return changetype<usize>(this.label) == 0 ? slice(0, 0, false) : this.label;
  }

  /** A string's bytes (UTF-8); does not exist when this is none. */
  string(): Slice {
    return this.kind == JsonKind.String ? this.text : slice(0, 0, false);
  }

  /** A whole number, or `otherwise` when this is none, has a fraction or an exponent, or does not fit. */
  toInt(otherwise: i64 = -1): i64 {
    return this.kind == JsonKind.Number ? wholeNumber(this.text, otherwise) : otherwise;
  }

  /** A number, exact for up to 15 digits, or `otherwise` when this is none. */
  toFloat(otherwise: f64 = 0): f64 {
    return this.kind == JsonKind.Number ? floatingNumber(this.text) : otherwise;
  }

  toBool(otherwise: bool = false): bool {
    return this.kind == JsonKind.Bool ? this.text.length == 4 : otherwise;
  }

  /** What is wrong with the text, and where: 'a value is expected at line 2, column 7'. */
  problem(): Slice {
    return this.kind == JsonKind.Invalid ? this.text : slice(0, 0, false);
  }
}

const NONE = changetype<Json>(memory.data(offsetof<Json>(), 8));

let begin: usize = 0;
let at: usize = 0;
let end: usize = 0;
let values: i32 = 0;
let failure: string | null = null;

/** The value that the text is. Bounded: 1 MiB, 65,536 values, 64 deep. */
export function parseJson(text: Slice): Json {
  begin = text.ptr;
  at = begin;
  end = begin + text.length;
  values = 0;
  failure = null;
  if (text.length > MAX_BYTES) fail('it is longer than 1 MiB');
  const root = value(0);
  if (failure == null) {
    skipSpace();
    if (at < end) fail('nothing may follow the value');
  }
  if (failure == null) return root;
  const invalid = node(JsonKind.Invalid);
  invalid.text = told(failure!);
  return invalid;
}

function value(depth: i32): Json {
  skipSpace();
  if (failure != null || at >= end) return fail('a value is expected');
  if (++values > MAX_VALUES) return fail('there are more than 65536 values');
  const c = load<u8>(at);
  if (c == 0x22) {
    at++;
    return leaf(JsonKind.String, quoted());
  }
  if (c == 0x7b || c == 0x5b) return depth < MAX_DEPTH ? container(c == 0x7b, depth) : fail('it is deeper than 64');
  if (c == 0x2d || isDigit(c)) return number();
  if (literal(0x65757274, 4) || (c == 0x66 && end - at > 4 && load<u32>(at + 1) == 0x65736c61)) {
    const length = c == 0x66 ? 5 : 4;
    at += length;
    return leaf(JsonKind.Bool, slice(at - length, length));
  }
  if (!literal(0x6c6c756e, 4)) return fail('a value is expected');
  at += 4;
  return leaf(JsonKind.Null, slice(at - 4, 4));
}

/** An object's members or an array's elements, with the brackets around them. */
function container(object: bool, depth: i32): Json {
  const made = node(object ? JsonKind.Object : JsonKind.Array);
  const close: u8 = object ? 0x7d : 0x5d;
  at++;
  skipSpace();
  if (at < end && load<u8>(at) == close) {
    at++;
    return made;
  }
  let last = NONE;
  while (true) {
    let label = changetype<Slice>(0);
    if (object) {
      skipSpace();
      if (at >= end || load<u8>(at) != 0x22) return fail('a name in quotes is expected');
      at++;
      label = quoted();
      skipSpace();
      if (at >= end || load<u8>(at) != 0x3a) return fail("':' is expected");
      at++;
    }
    const item = value(depth + 1);
    if (failure != null) return NONE;
    item.label = label;
    if (made.count++ == 0) made.child = item;
    else last.sibling = item;
    last = item;
    skipSpace();
    const c = at < end ? load<u8>(at) : 0;
    if (c != 0x2c && c != close) return fail(object ? "',' or '}' is expected" : "',' or ']' is expected");
    at++;
    if (c == close) return made;
  }
}

/** The string that begins here, behind its quote. Without escapes it stays where it lies. */
function quoted(): Slice {
  const from = at;
  let escapes = false;
  while (at < end) {
    const c = load<u8>(at);
    if (c == 0x22) {
      const to = at++;
      return escapes ? unescaped(from, to) : slice(from, <i32>(to - from));
    }
    if (c < 0x20) break;
    if (c == 0x5c) {
      escapes = true;
      at++;
    }
    at++;
  }
  if (at > end) at = end;
  fail(at < end ? 'a string has a control character' : 'a string has no end');
  return slice(from, 0);
}

function unescaped(from: usize, to: usize): Slice {
  const out = temporary(to - from);
  const after = at;
  let length: usize = 0;
  for (at = from; at < to; ) {
    const c = load<u8>(at++);
    if (c != 0x5c) {
      store<u8>(out + length++, c);
      continue;
    }
    const escape = load<u8>(at++);
    if (escape == 0x75) {
      const code = codePoint(to);
      if (failure != null) return slice(out, 0);
      length += encodeCode(code, out + length);
      continue;
    }
    const plain = plainEscape(escape);
    if (plain == 0) {
      at--;
      fail('a string has an unknown escape');
      return slice(out, 0);
    }
    store<u8>(out + length++, plain);
  }
  at = after;
  return slice(out, <i32>length);
}

function plainEscape(c: u8): u8 {
  switch (c) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return c;
    case 0x62:
      return 8;
    case 0x66:
      return 12;
    case 0x6e:
      return 10;
    case 0x72:
      return 13;
    case 0x74:
      return 9;
    default:
      return 0;
  }
}

/** The code point of \uXXXX or of a pair of them; `at` is behind the u. */
function codePoint(to: usize): u32 {
  const code = hex(to);
  if (code < 0xd800 || code > 0xdfff) return code;
  if (code < 0xdc00 && at + 6 <= to && load<u16>(at) == 0x755c) {
    at += 2;
    const low = hex(to);
    if (low >= 0xdc00 && low <= 0xdfff) return 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
  }
  fail('a string has half a surrogate pair');
  return 0;
}

function hex(to: usize): u32 {
  let code: u32 = 0;
  for (let i = 0; i < 4; i++) {
    const c: u32 = at < to ? load<u8>(at) : 0;
    const lower = c | 32;
    if (c - 48 <= 9) code = (code << 4) | (c - 48);
    else if (lower - 97 <= 5) code = (code << 4) | (lower - 87);
    else {
      fail('\\u needs four hexadecimal digits');
      return 0;
    }
    at++;
  }
  return code;
}

function encodeCode(code: u32, to: usize): usize {
  if (code < 0x80) {
    store<u8>(to, code);
    return 1;
  }
  const rest: usize = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  store<u8>(to, (rest == 1 ? 0xc0 : rest == 2 ? 0xe0 : 0xf0) | (code >> (<u32>rest * 6)));
  for (let i: usize = 1; i <= rest; i++) store<u8>(to + i, 0x80 | ((code >> (<u32>(rest - i) * 6)) & 0x3f));
  return rest + 1;
}

function number(): Json {
  const from = at;
  if (load<u8>(at) == 0x2d) at++;
  const zero = at < end && load<u8>(at) == 0x30;
  const whole = digits();
  if (whole == 0 || (zero && whole > 1)) return fail('a number is not written like one');
  if (at < end && load<u8>(at) == 0x2e) {
    at++;
    if (digits() == 0) return fail('a number is not written like one');
  }
  if (at < end && (load<u8>(at) | 32) == 0x65) {
    at++;
    if (at < end && (load<u8>(at) == 0x2b || load<u8>(at) == 0x2d)) at++;
    if (digits() == 0) return fail('a number is not written like one');
  }
  return leaf(JsonKind.Number, slice(from, <i32>(at - from)));
}

function digits(): i32 {
  const from = at;
  while (at < end && isDigit(load<u8>(at))) at++;
  return <i32>(at - from);
}

function literal(word: u32, length: usize): bool {
  return end - at >= length && load<u32>(at) == word;
}

function skipSpace(): void {
  while (at < end) {
    const c = load<u8>(at);
    if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
    at++;
  }
}

function node(kind: JsonKind): Json {
  const made = temporary(offsetof<Json>());
  memory.fill(made, 0, offsetof<Json>());
  changetype<Json>(made).kind = kind;
  return changetype<Json>(made);
}

function leaf(kind: JsonKind, text: Slice): Json {
  const made = node(kind);
  made.text = text;
  return made;
}

/** The first failure counts; whoever called returns. */
function fail(reason: string): Json {
  if (failure == null) failure = reason;
  return NONE;
}

function told(reason: string): Slice {
  let line = 1;
  let column = 1;
  for (let i = begin; i < at; i++) {
    if (load<u8>(i) == 0x0a) {
      line++;
      column = 1;
    } else column++;
  }
  const place = concat(concat(utf8(' at line '), decimal(line)), concat(utf8(', column '), decimal(column)));
  return concat(utf8(reason), place);
}
