// Messages of protocol buffers, as far as an authorizer over gRPC is spoken to in them.
//
//   field    varint number << 3 | type | by type: varint, 8 bytes, varint length and so many bytes, 4 bytes

/** What gRPC has in front of a message: whether it is compressed, and its length. */
export const PREFIX = 5;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const LOW = 0x80;
/** Bytes of a varint of 64 bits. */
const LONGEST = 10;

/** What came is no message. */
export class Malformed extends Error {}

/** Puts fields one behind the other. What is empty or 0 is left out, as proto3 says. */
export class MessageWriter {
  private readonly pieces: Uint8Array[] = [];

  /** `value`: a char a byte (latin1), as heads have it. What is no UTF-8 may not be in a text, and is replaced. */
  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(Buffer.from(value, 'latin1').toString('utf8')));
  }

  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.delimited(field, value);
  }

  message(field: number, { pieces }: MessageWriter): this {
    return this.delimited(field, Buffer.concat(pieces));
  }

  /** A whole number; a negative one as 64 bits. */
  int(field: number, value: number): this {
    if (value !== 0) this.pieces.push(varint((field << 3) | VARINT), varint(value));
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.pieces);
  }

  private delimited(field: number, value: Uint8Array): this {
    this.pieces.push(varint((field << 3) | LENGTH), varint(value.length), value);
    return this;
  }
}

function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | LOW);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** Who is told of the fields of a message. Of numbers their lower 32 bits count; numbers of fixed length are passed over. */
export interface MessageReader {
  number?(field: number, value: number): void;
  bytes?(field: number, value: Buffer): void;
}

/** Tells of all fields in their order; throws `Malformed`. */
export function readMessage(message: Buffer, reader: MessageReader): void {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let i = 0; i < LONGEST && at < message.length; i++) {
      const byte = message[at++];
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < LOW) return value >>> 0;
    }
    throw new Malformed('a number does not end');
  };
  const skip = (size: number): number => {
    const start = at;
    at += size;
    if (at > message.length) throw new Malformed('a field is longer than its message');
    return start;
  };
  while (at < message.length) {
    const tag = number();
    const field = tag >>> 3;
    if (field === 0) throw new Malformed('a field has the number 0');
    switch (tag & 7) {
      case VARINT: {
        const value = number();
        reader.number?.(field, value);
        break;
      }
      case LENGTH: {
        const start = skip(number());
        reader.bytes?.(field, message.subarray(start, at));
        break;
      }
      case FIXED64:
        skip(8);
        break;
      case FIXED32:
        skip(4);
        break;
      default:
        throw new Malformed('a field is of no known type');
    }
  }
}
