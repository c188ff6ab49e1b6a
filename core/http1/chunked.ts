// The chunked transfer coding (RFC 9112 7.1), decoded strictly and piece by piece. Sizes are plain hex, blanks may follow
// them, extensions are dropped, every line ends in CRLF. Data is handed on as views; only trailers are collected.

import type { Head } from '../http/head.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import { VALUE_BYTE } from './fields.ts';
import { readTrailers } from './trailers.ts';

export interface ChunkedSink {
  onBodyData(chunk: Buffer, end: boolean): void;
  /** Ends the body. */
  onBodyTrailers(trailers: Head): void;
  /** True when the sink wants no more for now: `decode` returns at the next boundary. */
  readonly held: boolean;
}

const SIZE = 0;
const SIZE_END = 1;
const AFTER_SIZE = 2;
const EXTENSION = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILER = 7;
const DONE = 8;
const VIOLATED = 9;

/** Digits of a chunk size, not counting zeros before it; 13 hex digits stay below 2^53. */
const MAX_SIZE_DIGITS = 13;
/** Blanks and extensions of one chunk. */
const MAX_EXTENSION = 1024;
const EMPTY = Buffer.alloc(0);

export class ChunkedDecoder {
  private state = SIZE;
  private remaining = 0;
  private sized = false;
  private digits = 0;
  private extension = 0;
  /** Bytes after the last chunk's line, up to the empty line. */
  private trailer: Buffer = EMPTY;
  private maxTrailerBytes = 0;
  private maxTrailers = 0;

  /** Prepares for a new body. */
  start(maxTrailerBytes: number, maxTrailers: number): void {
    this.awaitSize();
    this.trailer = EMPTY;
    this.maxTrailerBytes = maxTrailerBytes;
    this.maxTrailers = maxTrailers;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  get violated(): boolean {
    return this.state === VIOLATED;
  }

  /** Consumes from `at`; returns the offset it came to. Then `done`, `violated`, `sink.held`, or more bytes are needed. */
  decode(bytes: Buffer, at: number, sink: ChunkedSink): number {
    const end = bytes.length;
    while (at < end && !sink.held) {
      switch (this.state) {
        case SIZE:
          at = this.readSize(bytes, at);
          break;
        case SIZE_END:
          this.state = bytes[at++] === 10 ? this.afterSizeLine() : VIOLATED;
          break;
        case AFTER_SIZE:
          this.readAfterSize(bytes[at++]);
          break;
        case EXTENSION:
          at = this.skipExtension(bytes, at);
          break;
        case DATA: {
          const stop = Math.min(end, at + this.remaining);
          this.remaining -= stop - at;
          if (this.remaining === 0) this.state = DATA_CR;
          const piece = at === 0 && stop === end ? bytes : bytes.subarray(at, stop);
          at = stop;
          sink.onBodyData(piece, false);
          break;
        }
        case DATA_CR:
          this.state = bytes[at++] === 13 ? DATA_LF : VIOLATED;
          break;
        case DATA_LF:
          this.awaitSize();
          if (bytes[at++] !== 10) this.state = VIOLATED;
          break;
        case TRAILER:
          at = this.readTrailer(bytes, at, sink);
          break;
        default:
          return at;
      }
    }
    return at;
  }

  private awaitSize(): void {
    this.state = SIZE;
    this.sized = false;
    this.remaining = 0;
    this.digits = 0;
    this.extension = 0;
  }

  private readSize(bytes: Buffer, at: number): number {
    for (; at < bytes.length; at++) {
      const c = bytes[at];
      const digit = c >= 48 && c <= 57 ? c - 48 : (c | 32) >= 97 && (c | 32) <= 102 ? (c | 32) - 87 : -1;
      if (digit < 0) {
        this.state = this.sized ? AFTER_SIZE : VIOLATED;
        return at;
      }
      this.sized = true;
      this.remaining = this.remaining * 16 + digit;
      if (this.remaining !== 0 && ++this.digits > MAX_SIZE_DIGITS) {
        this.state = VIOLATED;
        return at;
      }
    }
    return at;
  }

  /** The line's end or an extension, perhaps behind blanks: many servers pad a size with them. */
  private readAfterSize(c: number): void {
    if (c === 13) this.state = SIZE_END;
    else if (c === 59) this.state = EXTENSION;
    else if ((c !== 32 && c !== 9) || ++this.extension > MAX_EXTENSION) this.state = VIOLATED;
  }

  /** Extensions concern one hop. Their bytes are held to what a field value may have, so that no line hides in them. */
  private skipExtension(bytes: Buffer, at: number): number {
    for (; at < bytes.length; at++) {
      const c = bytes[at];
      if (c === 13) {
        this.state = SIZE_END;
        return at + 1;
      }
      if (VALUE_BYTE[c] === 0 || ++this.extension > MAX_EXTENSION) {
        this.state = VIOLATED;
        return at;
      }
    }
    return at;
  }

  private afterSizeLine(): number {
    return this.remaining === 0 ? TRAILER : DATA;
  }

  private readTrailer(bytes: Buffer, at: number, sink: ChunkedSink): number {
    if (this.trailer.length === 0 && bytes[at] === 13 && at + 1 < bytes.length) {
      // The usual end: no trailers.
      if (bytes[at + 1] !== 10) {
        this.state = VIOLATED;
        return at;
      }
      this.state = DONE;
      sink.onBodyData(EMPTY, true);
      return at + 2;
    }
    const had = this.trailer.length;
    // Bounded by the limit, so gathering byte by byte costs no more than its square.
    const room = Math.min(bytes.length, at + this.maxTrailerBytes + 4 - had);
    const section = had === 0 ? bytes.subarray(at, room) : Buffer.concat([this.trailer, bytes.subarray(at, room)]);
    const length = sectionLength(section, Math.max(0, had - 3));
    if (length < 0) {
      this.trailer = section;
      retainBytes();
      if (section.length > this.maxTrailerBytes || !linesSound(section, Math.max(0, had - 1))) this.state = VIOLATED;
      return room;
    }
    if (length === 2) {
      this.state = DONE;
      sink.onBodyData(EMPTY, true);
      return at + 2 - had;
    }
    const trailers = length - 2 > this.maxTrailerBytes ? null : readTrailers(section, length, this.maxTrailers);
    this.state = trailers === null ? VIOLATED : DONE;
    if (trailers !== null) sink.onBodyTrailers(trailers);
    return at + length - had;
  }
}

/** Length of the trailer section up to and with its empty line, or -1 when that has not come yet. */
function sectionLength(section: Buffer, from: number): number {
  if (section.length >= 2 && section[0] === 13 && section[1] === 10) return 2;
  const end = section.indexOf('\r\n\r\n', from, 'latin1');
  return end < 0 ? -1 : end + 4;
}

/** No CR or LF stands alone: without this a peer could wait for an answer that would never come. */
function linesSound(section: Buffer, from: number): boolean {
  for (let at = from; at < section.length; at++) {
    const c = section[at];
    if (c === 10 && (at === 0 || section[at - 1] !== 13)) return false;
    if (c === 13 && at + 1 < section.length && section[at + 1] !== 10) return false;
  }
  return true;
}
