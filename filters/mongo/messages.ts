// What one side of a connection of MongoDB says, message by message, over any number of chunks: OP_MSG, and the older messages that
// drivers still begin with. Of a request the command's name is kept, of an answer whether it went well; all else is passed over where
// it lies.
//
//   message: i32 length (with itself) | i32 id | i32 id that it answers | i32 opcode | what that says
//   OP_MSG:   u32 flags | sections: u8 0 | document, or u8 1 | i32 length (with itself) | ...
//   OP_QUERY: u32 flags | collection, 0 | i32 | i32 | document       OP_REPLY: u32 flags | 16 bytes | documents
//   document: i32 length (with itself) | elements: u8 type | name, 0 | value | ... | u8 0

import { Names } from '../commands/names';
import { Slice } from '../sdk/index';

/** In place of a message. */
export const MORE: i32 = -1;
export const BAD: i32 = -2;
export const MESSAGE: i32 = 0;

export const OP_REPLY: i32 = 1;
export const OP_QUERY: i32 = 2004;
export const OP_GET_MORE: i32 = 2005;
export const OP_COMPRESSED: i32 = 2012;
export const OP_MSG: i32 = 2013;
const OLD: i32[] = [1000, 2001, 2002, 2003, 2006, 2007, 2010, 2011];

const HEADER: i32 = 16;
/** What MongoDB takes. */
const MOST_BYTES: i32 = 48_000_000;
/** OP_REPLY: the query failed. */
const QUERY_FAILURE: u32 = 2;
/** Of a name. */
const WORD: i32 = 32;

enum State {
  Header,
  Flags,
  Collection,
  Section,
  SectionLength,
  DocumentLength,
  Type,
  Name,
  ValueLength,
  Cstring,
  Value,
  Rest,
}

export class Messages {
  id: i32 = 0;
  answers: i32 = 0;
  opcode: i32 = 0;
  flags: u32 = 0;
  /** The command that it is. */
  command: i32 = 0;
  /** It says that the command failed. */
  failed: bool = false;
  private readonly names: Names;
  /** Answers are read to their end. */
  private readonly answer: bool;
  private readonly kept: StaticArray<u8> = new StaticArray<u8>(WORD);
  private state: State = State.Header;
  /** Bytes in `kept`, or of a name however long. */
  private length: i32 = 0;
  /** Of the message that has begun. */
  private left: i32 = 0;
  /** To be passed over before anything is read. */
  private skip: i32 = 0;
  private type: u8 = 0;
  private strings: i32 = 0;
  private first: bool = true;
  private judges: bool = false;
  private at: usize = 0;
  private end: usize = 0;

  constructor(names: Names, answer: bool) {
    this.names = names;
    this.answer = answer;
  }

  /** The next chunk; valid for this callback. */
  feed(data: Slice): void {
    this.at = data.ptr;
    this.end = data.ptr + data.length;
  }

  /** MESSAGE: one is whole now; MORE or BAD. */
  next(): i32 {
    while (this.at < this.end || (this.state != State.Header && this.left == 0)) {
      if (this.state != State.Header && this.left == 0) {
        const whole =
          this.state == State.Rest ||
          (this.opcode == OP_MSG && this.state == State.Section) ||
          // No document is given back.
          (this.opcode == OP_REPLY && this.state == State.DocumentLength && this.length == 0);
        if (this.skip > 0 || !whole) return BAD;
        this.state = State.Header;
        this.length = 0;
        return MESSAGE;
      }
      if (this.state == State.Rest) this.skip = this.left;
      if (this.skip > 0) {
        if (this.skip > this.left) return BAD;
        const count = min(this.skip, <i32>(this.end - this.at));
        this.at += count;
        this.skip -= count;
        this.left -= count;
        continue;
      }
      const byte = load<u8>(this.at++);
      this.left--;
      if (!this.take(byte)) return BAD;
    }
    return MORE;
  }

  private take(byte: u8): bool {
    switch (this.state) {
      case State.Header:
        return this.keep(byte) < HEADER || this.begin();
      case State.Flags:
        if (this.keep(byte) < 4) return true;
        this.flags = <u32>this.number(0);
        this.length = 0;
        if (this.opcode == OP_MSG) this.state = State.Section;
        else if (this.opcode == OP_QUERY) this.state = State.Collection;
        else {
          this.failed = (this.flags & QUERY_FAILURE) != 0;
          this.skip = 16;
          this.state = State.DocumentLength;
        }
        return true;
      case State.Collection:
        if (byte != 0) return true;
        this.skip = 8;
        this.state = State.DocumentLength;
        return true;
      case State.Section:
        this.length = 0;
        this.state = byte == 0 ? State.DocumentLength : State.SectionLength;
        return byte <= 1;
      case State.SectionLength:
        if (this.keep(byte) < 4) return true;
        this.skip = this.number(0) - 4;
        this.state = State.Section;
        return this.skip >= 0;
      case State.DocumentLength:
        if (this.keep(byte) < 4) return true;
        this.state = State.Type;
        return this.number(0) >= 5 && this.number(0) - 4 <= this.left;
      case State.Type:
        this.type = byte;
        this.length = 0;
        // The end of the document.
        if (byte == 0) this.state = State.Rest;
        else this.state = State.Name;
        return true;
      case State.Name:
        if (byte != 0) {
          this.keep(byte);
          return true;
        }
        return this.element();
      case State.ValueLength:
        if (this.keep(byte) < 4) return true;
        return this.sized(this.number(0));
      case State.Cstring:
        if (byte == 0 && --this.strings == 0) this.state = State.Type;
        return true;
      default:
        if (this.keep(byte) < this.strings) return true;
        this.judge();
        this.state = State.Type;
        return true;
    }
  }

  /** Bytes that there are now; those behind a word's end are only counted. */
  private keep(byte: u8): i32 {
    if (this.length < WORD) this.kept[this.length] = byte;
    return ++this.length;
  }

  private number(at: i32): i32 {
    return load<i32>(changetype<usize>(this.kept) + at);
  }

  private begin(): bool {
    this.id = this.number(4);
    this.answers = this.number(8);
    this.opcode = this.number(12);
    this.flags = 0;
    this.command = 0;
    this.failed = false;
    this.first = true;
    const length = this.number(0);
    if (length < HEADER || length > MOST_BYTES) return false;
    this.left = length - HEADER;
    this.length = 0;
    const read = this.opcode == OP_MSG || (this.answer ? this.opcode == OP_REPLY : this.opcode == OP_QUERY);
    this.state = read ? State.Flags : State.Rest;
    return read || this.opcode == OP_COMPRESSED || this.opcode == OP_GET_MORE || OLD.includes(this.opcode);
  }

  /** The name of an element is whole. */
  private element(): bool {
    const name = changetype<usize>(this.kept);
    const length = this.length;
    if (this.first && !this.answer) {
      if (length <= WORD) this.command = this.names.find(name, length);
      this.state = State.Rest;
      return true;
    }
    this.first = false;
    this.judges = length == 2 && load<u16>(name) == 0x6b6f; // ok
    if (length == 11 && load<u64>(name) == 0x7272456574697277 && load<u16>(name, 8) == 0x726f && load<u8>(name, 10) == 115) {
      this.failed = true; // writeErrors
    }
    this.length = 0;
    return this.value();
  }

  /** Passes over the value of this type. */
  private value(): bool {
    this.state = State.Type;
    switch (this.type) {
      case 0x01: // double
      case 0x09: // date
      case 0x11: // timestamp
      case 0x12: // i64
        return this.fixed(8);
      case 0x10: // i32
        return this.fixed(4);
      case 0x08: // boolean
        return this.fixed(1);
      case 0x07: // object id
        return this.fixed(12);
      case 0x13: // decimal
        return this.fixed(16);
      case 0x06: // undefined
      case 0x0a: // null
      case 0x7f: // least and greatest
      case 0xff:
        return true;
      case 0x0b: // expression
        this.strings = 2;
        this.state = State.Cstring;
        return true;
      case 0x02: // string
      case 0x03: // document
      case 0x04: // array
      case 0x05: // bytes
      case 0x0c: // pointer
      case 0x0d: // code
      case 0x0e: // symbol
      case 0x0f: // code with a scope
        this.state = State.ValueLength;
        return true;
      default:
        return false;
    }
  }

  private fixed(size: i32): bool {
    if (!this.judges) {
      this.skip = size;
      return true;
    }
    this.strings = size;
    this.state = State.Value;
    return true;
  }

  private sized(length: i32): bool {
    this.state = State.Type;
    this.length = 0;
    const whole = this.type == 0x03 || this.type == 0x04 || this.type == 0x0f;
    this.skip = whole ? length - 4 : this.type == 0x05 ? length + 1 : this.type == 0x0c ? length + 12 : length;
    return length >= 0 && this.skip >= 0 && this.skip <= this.left;
  }

  /** Of `ok`: no bit is set in a zero, but the sign. */
  private judge(): void {
    let any: u8 = 0;
    for (let i = 0; i < this.strings; i++) any |= i == 7 ? this.kept[i] & 0x7f : this.kept[i];
    if (any == 0) this.failed = true;
    this.length = 0;
    this.judges = false;
  }
}
