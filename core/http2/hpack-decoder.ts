// From a header block to fields (RFC 7541): each is written to one buffer of the shard as a line of HTTP/1, name, colon, space,
// value and line end, so that who sends it on by HTTP/1 copies runs of them. Says nothing of what the fields may be.

import { DynamicTable, STATIC_COUNT, STATIC_FIELDS, TABLE_SIZE } from './hpack-table.ts';
import { decodeHuffman, mostDecoded } from './huffman.ts';

/** One a shard. All of it is overwritten by the next block. */
class FieldLines {
  bytes = Buffer.allocUnsafeSlow(128 << 10);
  /** After the last field. */
  end = 0;
  /** [nameStart, nameLength, valueStart, valueLength] of each field. */
  spans = new Int32Array(4 * 128);
  /** Fields. */
  count = 0;
  /** Of each: 1 when it must never be put into a table, by nobody on its way (RFC 7541 6.2.3). */
  never = new Uint8Array(128);
  /** There are more fields or bytes than may be; those above the limit were not kept. */
  tooLarge = false;
}

export const fieldLines = new FieldLines();

export interface BlockLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

export class HpackDecoder {
  private readonly table = new DynamicTable();
  private readonly limits: BlockLimits;
  // The block that is being read.
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;
  // The last text that was read.
  private textLength = 0;

  constructor(limits: BlockLimits) {
    this.limits = limits;
  }

  /** Reads a whole block into `fieldLines`. False: COMPRESSION_ERROR, and the connection is over. */
  decode(bytes: Buffer, start: number, end: number): boolean {
    const lines = fieldLines;
    lines.end = 0;
    lines.count = 0;
    lines.tooLarge = false;
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    // What is above the limit is written behind it, each over the last; cookies are joined there.
    const room = 2 * this.limits.maxHeadBytes + 2 * (TABLE_SIZE + mostDecoded(end - start)) + 64;
    if (lines.bytes.length < room) lines.bytes = Buffer.allocUnsafeSlow(room);
    while (this.at < end) {
      const first = bytes[this.at];
      if (first >= 0x80) {
        if (!this.indexed()) return false;
      } else if (first >= 0x40) {
        if (!this.literal(6, true, 0)) return false;
      } else if (first < 0x20) {
        if (!this.literal(4, false, first >> 4)) return false;
      } else if (lines.count > 0 || lines.tooLarge || !this.resize()) return false;
    }
    return true;
  }

  private resize(): boolean {
    const most = this.integer(5);
    if (most < 0 || most > TABLE_SIZE) return false;
    this.table.resize(most);
    return true;
  }

  private indexed(): boolean {
    const index = this.integer(7);
    const at = fieldLines.end;
    const value = this.putName(index, at);
    if (value < 0) return false;
    const valueEnd = this.putValue(index, value + 2);
    this.keep(at, value - at, value + 2, valueEnd - value - 2, 0);
    return true;
  }

  private literal(prefix: number, indexing: boolean, never: number): boolean {
    const at = fieldLines.end;
    const index = this.integer(prefix);
    if (index < 0) return false;
    let nameEnd: number;
    if (index === 0) {
      if (!this.text(at)) return false;
      nameEnd = at + this.textLength;
    } else nameEnd = this.putName(index, at);
    if (nameEnd < 0 || !this.text(nameEnd + 2)) return false;
    if (indexing) this.table.insert(fieldLines.bytes, at, nameEnd - at, nameEnd + 2, this.textLength);
    this.keep(at, nameEnd - at, nameEnd + 2, this.textLength, never);
    return true;
  }

  private keep(name: number, nameLength: number, value: number, valueLength: number, never: number): void {
    const lines = fieldLines;
    const after = value + valueLength + 2;
    if (lines.tooLarge) return;
    if (after > this.limits.maxHeadBytes || lines.count === this.limits.maxFields) {
      lines.tooLarge = true;
      return;
    }
    const { bytes, count } = lines;
    bytes[value - 2] = 58;
    bytes[value - 1] = 32;
    bytes[after - 2] = 13;
    bytes[after - 1] = 10;
    if (count === lines.never.length) this.grow();
    const k = count << 2;
    const { spans } = lines;
    spans[k] = name;
    spans[k + 1] = nameLength;
    spans[k + 2] = value;
    spans[k + 3] = valueLength;
    lines.never[count] = never;
    lines.count = count + 1;
    lines.end = after;
  }

  private grow(): void {
    const { spans, never } = fieldLines;
    fieldLines.spans = new Int32Array(spans.length * 2);
    fieldLines.spans.set(spans);
    fieldLines.never = new Uint8Array(never.length * 2);
    fieldLines.never.set(never);
  }

  /** Writes the name of this entry; returns the offset after it, or -1: there is none. */
  private putName(index: number, at: number): number {
    if (index <= 0) return -1;
    if (index <= STATIC_COUNT) return put(at, STATIC_FIELDS[index].name);
    const { table } = this;
    const entry = table.inserted - (index - STATIC_COUNT);
    if (!table.has(entry)) return -1;
    const start = table.start(entry);
    return copy(at, table.bytes, start, start + table.nameLength(entry));
  }

  private putValue(index: number, at: number): number {
    if (index <= STATIC_COUNT) return put(at, STATIC_FIELDS[index].value);
    const { table } = this;
    const entry = table.inserted - (index - STATIC_COUNT);
    const start = table.start(entry) + table.nameLength(entry);
    return copy(at, table.bytes, start, start + table.valueLength(entry));
  }

  /** Writes a text at `at`; its length is `textLength` then. */
  private text(at: number): boolean {
    if (this.at >= this.end) return false;
    const coded = this.bytes[this.at] >= 0x80;
    const length = this.integer(7);
    if (length < 0 || length > this.end - this.at) return false;
    const start = this.at;
    this.at += length;
    const after = coded
      ? decodeHuffman(this.bytes, start, length, fieldLines.bytes, at)
      : copy(at, this.bytes, start, start + length);
    this.textLength = after - at;
    return after >= 0;
  }

  /** RFC 7541 5.1; -1: it does not end here, or is larger than anything that could be meant. */
  private integer(prefix: number): number {
    const { bytes, end } = this;
    const most = (1 << prefix) - 1;
    let value = bytes[this.at++] & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.at >= end) return -1;
      const byte = bytes[this.at++];
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return -1;
  }
}

/** Below this many bytes a loop is faster than a call out of JavaScript. */
const LOOP_BELOW = 48;

function put(at: number, text: Uint8Array): number {
  const { bytes } = fieldLines;
  for (let i = 0; i < text.length; i++) bytes[at + i] = text[i];
  return at + text.length;
}

function copy(at: number, from: Buffer, start: number, end: number): number {
  const { bytes } = fieldLines;
  const length = end - start;
  if (length < LOOP_BELOW) for (let i = 0; i < length; i++) bytes[at + i] = from[start + i];
  else from.copy(bytes, at, start, end);
  return at + length;
}
