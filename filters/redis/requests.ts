// What a client of Redis says, command by command, over any number of chunks: arrays of bulk strings, and lines as people type them.
// Of a command its name is kept, and one word behind it; all else is passed over where it lies.

import { Names } from '../commands/names';
import { Slice } from '../sdk/index';
import { Digits, LineNumber } from './number';

/** In place of a command. */
export const MORE: i32 = -1;
export const BAD: i32 = -2;

const CR: u8 = 13;
const LF: u8 = 10;
const SPACE: u8 = 32;
const ARRAY: u8 = 42;
const BULK: u8 = 36;

/** What Redis takes. */
const MOST_ARGUMENTS: i64 = 1 << 20;
export const MOST_BYTES: i64 = 512 << 20;
const MOST_LINE: i32 = 64 << 10;
/** Of each of the two words. */
const WORD: i32 = 32;

enum State {
  Start,
  Count,
  Bulk,
  Length,
  Data,
  Return,
  Newline,
  Line,
}

export class Requests {
  private readonly names: Names;
  private readonly number: LineNumber = new LineNumber();
  private readonly words: StaticArray<u8> = new StaticArray<u8>(2 * WORD);
  private readonly lengths: StaticArray<i32> = new StaticArray<i32>(2);
  private state: State = State.Start;
  private arguments: i64 = 0;
  private index: i32 = 0;
  private left: i64 = 0;
  private lineLength: i32 = 0;
  private at: usize = 0;
  private end: usize = 0;

  constructor(names: Names) {
    this.names = names;
  }

  /** The next chunk; valid for this callback. */
  feed(data: Slice): void {
    this.at = data.ptr;
    this.end = data.ptr + data.length;
  }

  /** The word behind the command's name, in lower case, is this one. */
  followedBy(word: Slice): bool {
    if (this.lengths[1] != word.length) return false;
    return memory.compare(changetype<usize>(this.words) + WORD, word.ptr, word.length) == 0;
  }

  /** Number of the command that is whole now, MORE or BAD. */
  next(): i32 {
    while (this.at < this.end) {
      if (this.state == State.Data) {
        this.data();
        continue;
      }
      const byte = load<u8>(this.at++);
      switch (this.state) {
        case State.Start:
          if (byte == CR || byte == LF) break;
          this.lengths[0] = 0;
          this.lengths[1] = 0;
          this.index = 0;
          if (byte == ARRAY) {
            this.number.begin();
            this.state = State.Count;
            break;
          }
          // A line begins with a name that can be read.
          if (byte < 33 || byte > 126) return BAD;
          this.lineLength = 0;
          this.state = State.Line;
          this.at--;
          break;
        case State.Count: {
          const read = this.number.take(byte);
          if (read == Digits.Bad || this.number.value > MOST_ARGUMENTS) return BAD;
          if (read == Digits.More) break;
          this.arguments = this.number.value;
          this.state = this.arguments > 0 ? State.Bulk : State.Start;
          break;
        }
        case State.Bulk:
          if (byte != BULK) return BAD;
          this.number.begin();
          this.state = State.Length;
          break;
        case State.Length: {
          const read = this.number.take(byte);
          if (read == Digits.Bad) return BAD;
          if (read == Digits.More) break;
          this.left = this.number.value;
          if (this.left < 0 || this.left > MOST_BYTES) return BAD;
          this.state = this.left == 0 ? State.Return : State.Data;
          break;
        }
        case State.Return:
          if (byte != CR) return BAD;
          this.state = State.Newline;
          break;
        case State.Newline:
          if (byte != LF) return BAD;
          this.state = State.Bulk;
          if (++this.index == this.arguments) return this.whole();
          break;
        default:
          if (byte == LF) {
            if (this.lengths[0] > 0) return this.whole();
            this.state = State.Start;
            break;
          }
          if (++this.lineLength > MOST_LINE) return BAD;
          if (byte == CR) break;
          if (byte == SPACE) {
            if (this.index < 2 && this.lengths[this.index] > 0) this.index++;
          } else this.keep(byte);
      }
    }
    return MORE;
  }

  private whole(): i32 {
    this.state = State.Start;
    const length = this.lengths[0];
    return length < WORD ? this.names.find(changetype<usize>(this.words), length) : 0;
  }

  private data(): void {
    const count = min(this.left, <i64>(this.end - this.at));
    const to = this.at + <usize>count;
    if (this.index < 2) {
      for (let at = this.at; at < to && this.lengths[this.index] < WORD; at++) this.keep(load<u8>(at));
    }
    this.at = to;
    this.left -= count;
    if (this.left == 0) this.state = State.Return;
  }

  private keep(byte: u8): void {
    if (this.index > 1) return;
    const length = this.lengths[this.index];
    if (length == WORD) return;
    this.words[this.index * WORD + length] = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    this.lengths[this.index] = length + 1;
  }
}
