// A decimal number and the end of its line, as they stand in RESP: over any number of chunks.

export enum Digits {
  More,
  Done,
  Bad,
}

const CR: u8 = 13;
const LF: u8 = 10;
const MINUS: u8 = 45;
/** No length that Redis knows has more. */
const MOST_DIGITS: i32 = 12;

export class LineNumber {
  value: i64 = 0;
  private digits: i32 = 0;
  private negative: bool = false;
  private ended: bool = false;

  begin(): void {
    this.value = 0;
    this.digits = 0;
    this.negative = false;
    this.ended = false;
  }

  take(byte: u8): Digits {
    if (this.ended) {
      if (byte != LF || this.digits == 0) return Digits.Bad;
      if (this.negative) this.value = -this.value;
      return Digits.Done;
    }
    if (byte == CR) {
      this.ended = true;
      return Digits.More;
    }
    if (byte == MINUS && this.digits == 0 && !this.negative) {
      this.negative = true;
      return Digits.More;
    }
    const digit = <u32>byte - 48;
    if (digit > 9 || ++this.digits > MOST_DIGITS) return Digits.Bad;
    this.value = this.value * 10 + digit;
    return Digits.More;
  }
}
