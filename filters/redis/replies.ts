// What Redis answers, value by value, over any number of chunks: RESP2 and RESP3. What values hold is passed over where it lies; a
// count of the values that are still to come stands for all that they are nested in.

import { Slice } from '../sdk/index';
import { Digits, LineNumber } from './number';
import { BAD, MORE, MOST_BYTES } from './requests';

/** In place of a reply. */
export const ANSWER: i32 = 0;
export const ERROR: i32 = 1;
/** What nobody asked for. */
export const PUSH: i32 = 2;

const CR: u8 = 13;
const LF: u8 = 10;

enum State {
  Start,
  Line,
  Length,
  Count,
  Data,
  Return,
  Newline,
}

export class Replies {
  private readonly number: LineNumber = new LineNumber();
  private state: State = State.Start;
  /** Values that are still to come, of the reply that has begun. */
  private values: i64 = 0;
  /** Type of that reply, and of the value that is read. */
  private top: u8 = 0;
  private type: u8 = 0;
  /** That value begins the reply. */
  private first: bool = false;
  private left: i64 = 0;
  private at: usize = 0;
  private end: usize = 0;

  /** The next chunk; valid for this callback. */
  feed(data: Slice): void {
    this.at = data.ptr;
    this.end = data.ptr + data.length;
  }

  /** What kind of reply is whole now, MORE or BAD. */
  next(): i32 {
    while (this.at < this.end) {
      if (this.state == State.Data) {
        const count = min(this.left, <i64>(this.end - this.at));
        this.at += <usize>count;
        this.left -= count;
        if (this.left == 0) this.state = State.Return;
        continue;
      }
      const byte = load<u8>(this.at++);
      let done = false;
      switch (this.state) {
        case State.Start:
          if (!this.begin(byte)) return BAD;
          break;
        case State.Line:
          done = byte == LF;
          break;
        case State.Length: {
          const read = this.number.take(byte);
          if (read == Digits.Bad) return BAD;
          if (read == Digits.More) break;
          this.left = this.number.value;
          if (this.left < -1 || this.left > MOST_BYTES) return BAD;
          if (this.left < 0) done = true;
          else this.state = this.left == 0 ? State.Return : State.Data;
          break;
        }
        case State.Count: {
          const read = this.number.take(byte);
          if (read == Digits.Bad) return BAD;
          if (read == Digits.More) break;
          if (this.number.value < -1 || this.number.value > i32.MAX_VALUE) return BAD;
          done = this.aggregate(max(this.number.value, 0));
          break;
        }
        case State.Return:
          if (byte != CR) return BAD;
          this.state = State.Newline;
          break;
        default:
          if (byte != LF) return BAD;
          done = true;
      }
      if (!done) continue;
      this.state = State.Start;
      if (--this.values > 0) continue;
      // '|': it is about the reply that follows.
      if (this.top == 124) continue;
      return this.top == 45 || this.top == 33 ? ERROR : this.top == 62 ? PUSH : ANSWER;
    }
    return MORE;
  }

  private begin(type: u8): bool {
    this.first = this.values <= 0;
    if (this.first) {
      this.top = type;
      this.values = 1;
    }
    this.type = type;
    this.number.begin();
    switch (type) {
      case 43: // +
      case 45: // -
      case 58: // :
      case 44: // ,
      case 40: // (
      case 35: // #
      case 95: // _
        this.state = State.Line;
        return true;
      case 36: // $
      case 61: // =
      case 33: // !
        this.state = State.Length;
        return true;
      case 42: // *
      case 126: // ~
      case 62: // >
      case 37: // %
      case 124: // |
        this.state = State.Count;
        return true;
      default:
        return false;
    }
  }

  /** True: it is a value that has nothing in it, or counts as read since what it holds is what is still to come. */
  private aggregate(count: i64): bool {
    const pairs = this.type == 37 || this.type == 124;
    this.values += pairs ? 2 * count : count;
    this.state = State.Start;
    // What is about a value is none itself, unless it stands where a reply begins: then what it holds is all of it.
    return this.type != 124 || this.first;
  }
}
