// Frames (RFC 9113 4 and 6): their numbers, how they are cut out of what a connection brings, and how they are written. A frame of
// DATA is handed on piece by piece as it comes, any other when it is whole. Knows no stream.

import { type Outbox, reserve, reservedAt } from '../transport/outbox.ts';

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const HAS_PRIORITY = 32;

/** By code, for people. */
export const ERRORS: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
];
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

export const HEADER_TABLE_SIZE = 1;
export const ENABLE_PUSH = 2;
export const MAX_CONCURRENT_STREAMS = 3;
export const INITIAL_WINDOW_SIZE = 4;
export const MAX_FRAME_SIZE = 5;
export const MAX_HEADER_LIST_SIZE = 6;
/** RFC 8441: a CONNECT may say what is spoken through it. */
export const ENABLE_CONNECT_PROTOCOL = 8;

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME_HEAD = 9;
/** The largest payload that we take, and that every peer takes. */
export const LARGEST_FRAME = 16384;
export const LARGEST_WINDOW = 0x7fffffff;

/** What is wrong with a frame of this type, on this stream and of this length, whatever it says. */
export function misshapen(type: number, flags: number, id: number, length: number): number {
  switch (type) {
    case HEADERS:
    case PRIORITY:
      return id === 0 ? PROTOCOL_ERROR : NO_ERROR;
    case RST_STREAM:
      return id === 0 ? PROTOCOL_ERROR : length === 4 ? NO_ERROR : FRAME_SIZE_ERROR;
    case WINDOW_UPDATE:
      return length === 4 ? NO_ERROR : FRAME_SIZE_ERROR;
    case SETTINGS:
      if (id !== 0) return PROTOCOL_ERROR;
      return (flags & ACK) !== 0 && length !== 0 ? FRAME_SIZE_ERROR : NO_ERROR;
    case PING:
      return id !== 0 ? PROTOCOL_ERROR : length === 8 ? NO_ERROR : FRAME_SIZE_ERROR;
    case GOAWAY:
      return id !== 0 ? PROTOCOL_ERROR : length >= 8 ? NO_ERROR : FRAME_SIZE_ERROR;
    case PUSH_PROMISE:
      // Nobody may promise us anything.
      return PROTOCOL_ERROR;
    default:
      return NO_ERROR;
  }
}

export interface FrameSink {
  /** A frame of DATA begins: `length` bytes of payload, padding included, count for flow control. */
  onDataFrame(id: number, flags: number, length: number): void;
  /** More of it, without padding. `last`: its end; then perhaps empty. */
  onDataPiece(piece: Buffer, last: boolean): void;
  /** Any other frame. The payload is there for the time of the call. */
  onFrame(type: number, flags: number, id: number, payload: Buffer, start: number, end: number): void;
  /** The bytes are no frames that may come. */
  onBadFrame(code: number): void;
}

export class FrameReader {
  /** Nothing is read any more. */
  stopped = false;
  private readonly sink: FrameSink;
  private readonly head = Buffer.allocUnsafe(FRAME_HEAD);
  private headBytes = 0;
  private type = 0;
  private flags = 0;
  private id = 0;
  /** Of the payload, what has not come. */
  private left = 0;
  private inPayload = false;
  /** What has come of a payload that is not whole; null: nothing. */
  private held: Buffer | null = null;
  private heldBytes = 0;
  /** Of DATA: bytes of padding; -1: the byte that says so has not come. */
  private padding = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  push(bytes: Buffer, from: number): void {
    const end = bytes.length;
    let at = from;
    while (!this.stopped) {
      if (!this.inPayload) {
        if (at === end) return;
        if (this.headBytes === 0 && end - at >= FRAME_HEAD) {
          this.begin(bytes, at);
          at += FRAME_HEAD;
        } else {
          const size = Math.min(FRAME_HEAD - this.headBytes, end - at);
          bytes.copy(this.head, this.headBytes, at, at + size);
          this.headBytes += size;
          at += size;
          if (this.headBytes < FRAME_HEAD) return;
          this.headBytes = 0;
          this.begin(this.head, 0);
        }
        if (this.stopped) return;
      }
      if (at === end && this.left > 0) return;
      at = this.type === DATA ? this.data(bytes, at, end) : this.whole(bytes, at, end);
    }
  }

  private begin(b: Buffer, at: number): void {
    const length = (b[at] << 16) | (b[at + 1] << 8) | b[at + 2];
    this.type = b[at + 3];
    this.flags = b[at + 4];
    this.id = ((b[at + 5] & 0x7f) << 24) | (b[at + 6] << 16) | (b[at + 7] << 8) | b[at + 8];
    this.left = length;
    this.inPayload = true;
    if (length > LARGEST_FRAME) this.sink.onBadFrame(FRAME_SIZE_ERROR);
    else if (this.type === DATA) {
      const padded = (this.flags & PADDED) !== 0;
      this.padding = padded ? -1 : 0;
      if (padded && length === 0) this.sink.onBadFrame(FRAME_SIZE_ERROR);
      else this.sink.onDataFrame(this.id, this.flags, length);
    }
  }

  private data(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.padding < 0) {
      this.padding = bytes[at++];
      this.left--;
      if (this.padding > this.left) {
        this.sink.onBadFrame(PROTOCOL_ERROR);
        return at;
      }
    }
    const body = this.left - this.padding;
    const size = Math.min(body, end - at);
    if (size === body) {
      this.left = this.padding;
      // Padding that follows is read over.
      if (this.padding === 0) this.inPayload = false;
      else this.type = PADDING;
      this.sink.onDataPiece(bytes.subarray(at, at + size), true);
    } else if (size > 0) {
      this.left -= size;
      this.sink.onDataPiece(bytes.subarray(at, at + size), false);
    }
    return at + size;
  }

  private whole(bytes: Buffer, at: number, end: number): number {
    const size = Math.min(this.left, end - at);
    this.left -= size;
    if (this.type === PADDING) {
      if (this.left === 0) this.inPayload = false;
      return at + size;
    }
    if (this.left === 0 && this.held === null) {
      this.inPayload = false;
      this.sink.onFrame(this.type, this.flags, this.id, bytes, at, at + size);
      return at + size;
    }
    this.held ??= Buffer.allocUnsafe(size + this.left);
    bytes.copy(this.held, this.heldBytes, at, at + size);
    this.heldBytes += size;
    if (this.left === 0) {
      const { held, heldBytes } = this;
      this.held = null;
      this.heldBytes = 0;
      this.inPayload = false;
      this.sink.onFrame(this.type, this.flags, this.id, held, 0, heldBytes);
    }
    return at + size;
  }
}

/** What is left of a frame of DATA whose body has been handed on. */
const PADDING = 0x100;

export function putFrameHead(b: Buffer, at: number, length: number, type: number, flags: number, id: number): number {
  b[at] = length >>> 16;
  b[at + 1] = length >>> 8;
  b[at + 2] = length;
  b[at + 3] = type;
  b[at + 4] = flags;
  b[at + 5] = id >>> 24;
  b[at + 6] = id >>> 16;
  b[at + 7] = id >>> 8;
  b[at + 8] = id;
  return at + FRAME_HEAD;
}

export function putWord(b: Buffer, at: number, value: number): number {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
  return at + 4;
}

/** DATA of these bytes, which are lent as everywhere (transport/read-buffer.ts). */
export function writeData(out: Outbox, id: number, bytes: Buffer, end: boolean): void {
  const b = reserve(FRAME_HEAD);
  putFrameHead(b, reservedAt(b), bytes.length, DATA, end ? END_STREAM : 0, id);
  out.commit(b, FRAME_HEAD);
  out.append(bytes);
}

/** A header block, in as many frames as it takes. */
export function writeBlock(out: Outbox, id: number, block: Buffer, end: boolean): void {
  let flags = end ? END_STREAM : 0;
  for (let at = 0; at === 0 || at < block.length; at += LARGEST_FRAME) {
    const size = Math.min(LARGEST_FRAME, block.length - at);
    if (at + size === block.length) flags |= END_HEADERS;
    const b = reserve(FRAME_HEAD + size);
    const start = reservedAt(b);
    const payload = putFrameHead(b, start, size, at === 0 ? HEADERS : CONTINUATION, flags, id);
    block.copy(b, payload, at, at + size);
    out.commit(b, FRAME_HEAD + size);
    flags = 0;
  }
}

export function writeReset(out: Outbox, id: number, code: number): void {
  writeWord(out, RST_STREAM, id, code);
}

export function writeWindowUpdate(out: Outbox, id: number, size: number): void {
  writeWord(out, WINDOW_UPDATE, id, size);
}

function writeWord(out: Outbox, type: number, id: number, word: number): void {
  const b = reserve(FRAME_HEAD + 4);
  const start = reservedAt(b);
  putWord(b, putFrameHead(b, start, 4, type, 0, id), word);
  out.commit(b, FRAME_HEAD + 4);
}

/** `settings`: number and value of each. */
export function writeSettings(out: Outbox, settings: readonly number[]): void {
  const size = settings.length * 3;
  const b = reserve(FRAME_HEAD + size);
  const start = reservedAt(b);
  let at = putFrameHead(b, start, size, SETTINGS, 0, 0);
  for (let i = 0; i < settings.length; i += 2) {
    b[at++] = settings[i] >>> 8;
    b[at++] = settings[i];
    at = putWord(b, at, settings[i + 1]);
  }
  out.commit(b, FRAME_HEAD + size);
}

export function writeSettingsAck(out: Outbox): void {
  const b = reserve(FRAME_HEAD);
  putFrameHead(b, reservedAt(b), 0, SETTINGS, ACK, 0);
  out.commit(b, FRAME_HEAD);
}

/** Of the eight bytes at `at`. */
export function writePing(out: Outbox, flags: number, from: Buffer, at: number): void {
  const b = reserve(FRAME_HEAD + 8);
  const payload = putFrameHead(b, reservedAt(b), 8, PING, flags, 0);
  from.copy(b, payload, at, at + 8);
  out.commit(b, FRAME_HEAD + 8);
}

export function writeGoAway(out: Outbox, last: number, code: number): void {
  const b = reserve(FRAME_HEAD + 8);
  const payload = putFrameHead(b, reservedAt(b), 8, GOAWAY, 0, 0);
  putWord(b, putWord(b, payload, last), code);
  out.commit(b, FRAME_HEAD + 8);
}
