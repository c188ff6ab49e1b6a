// Cuts a connection's bytes into messages: gathers heads that come in pieces, delimits bodies, stops when the owner asks.
// Knows framing only; what a head means is its sink's business. Never copies a body.

import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';
import { BORROWED_ABOVE, copyOf, retainBytes } from '../transport/read-buffer.ts';
import { ChunkedDecoder } from './chunked.ts';
import { CHUNKED, FIXED, type HeadLimits, NO_BODY, type Reading, UNTIL_CLOSE, UPGRADED } from './strict.ts';

export interface ReaderSink {
  /** Parse the head at `start`; `end` is where the bytes end, not the head. */
  parseHead(bytes: Buffer, start: number, end: number): Reading;
  /** The head just parsed is complete. Returns the offset after it. Calls `expectBody` or `expectHead` on the reader. */
  onHeadRead(): number;
  onBodyData(chunk: Buffer, end: boolean): void;
  onBodyTrailers(trailers: Head): void;
  /** Nothing more will be read. `reason`: why a head was refused; null: it was a body that broke its framing. */
  onViolation(reason: FailureCode | null): void;
  /** The first byte of a head came and the rest did not. */
  onHeadStarted(): void;
}

/** Why reading stands still; several may hold at once. */
export const HOLD_BODY = 1;
export const HOLD_PIPELINE = 2;
export const HOLD_CLOSED = 4;
/** What the client sends is of another protocol, and nobody has agreed to that yet. */
export const HOLD_UPGRADE = 8;

const IN_HEAD = 0;
const IN_FIXED = 1;
const IN_CHUNKED = 2;
const IN_UNTIL_CLOSE = 3;

const EMPTY = Buffer.alloc(0);
const MAX_TRAILER_BYTES = 16 * 1024;
/** Below this a chunk goes to the parser as it is; above, only up to the end of the head, so that bodies are not copied. */
const SEARCH_FROM = 2048;

export class MessageReader {
  /** Bit set of HOLD_*. */
  holds = 0;
  /** Bytes received and not looked at, because of a hold. */
  tail: Buffer | null = null;
  private mode = IN_HEAD;
  private remaining = 0;
  private chunks: ChunkedDecoder | null = null;
  /** A head that came in pieces: owned by this reader until it is complete, then by the head. */
  private partial: Buffer | null = null;
  private gathered = 0;
  private parseAgainAt = 0;
  /** Bytes of one empty line before a request (RFC 9112 2.2): 0, 1 (CR), 2. */
  private blank = 0;
  private readonly sink: ReaderSink;
  private readonly limits: HeadLimits;
  private readonly toleratesBlankLine: boolean;

  constructor(sink: ReaderSink, limits: HeadLimits, toleratesBlankLine: boolean) {
    this.sink = sink;
    this.limits = limits;
    this.toleratesBlankLine = toleratesBlankLine;
  }

  get held(): boolean {
    return this.holds !== 0;
  }

  /** True between messages: no byte of a head has come. */
  get idle(): boolean {
    return this.mode === IN_HEAD && this.partial === null && this.tail === null;
  }

  /** Between the head and the end of the body. */
  get inBody(): boolean {
    return this.mode !== IN_HEAD;
  }

  /** Bytes of a body of known length still to come; -1: unknown; 0: none. */
  get bodyRemaining(): number {
    return this.mode === IN_HEAD ? 0 : this.mode === IN_FIXED ? this.remaining : -1;
  }

  /** Takes what the socket received. What a hold keeps from being read stays in `tail`. */
  push(chunk: Buffer): void {
    if (this.tail !== null) this.tail = Buffer.concat([this.tail, chunk]);
    else this.run(chunk);
  }

  /** Goes on with `tail` when nothing holds. */
  runTail(): void {
    const { tail } = this;
    if (tail === null || this.holds !== 0) return;
    this.tail = null;
    this.run(tail);
  }

  /** Called by the sink from `onHeadRead`. */
  expectBody(kind: number, length: number): void {
    if (kind === NO_BODY) this.mode = IN_HEAD;
    else if (kind === FIXED) {
      this.mode = IN_FIXED;
      this.remaining = length;
    } else if (kind === CHUNKED) {
      this.mode = IN_CHUNKED;
      this.chunks ??= new ChunkedDecoder();
      this.chunks.start(Math.min(this.limits.maxHeadBytes, MAX_TRAILER_BYTES), this.limits.maxFields);
    } else if (kind === UNTIL_CLOSE || kind === UPGRADED) this.mode = IN_UNTIL_CLOSE;
  }

  /**
   * The peer has sent its last byte (and `tail` is empty): 'clean' between messages or at the proper end of one, 'cut' in
   * the middle of one, 'refused' when the sink was told of a violation.
   */
  finish(): 'clean' | 'cut' | 'refused' {
    if (this.mode === IN_UNTIL_CLOSE) {
      this.mode = IN_HEAD;
      this.sink.onBodyData(EMPTY, true);
      return 'clean';
    }
    if (this.mode !== IN_HEAD) return 'cut';
    if (this.partial === null) return 'clean';
    // What came since the last look was not enough to look again.
    const reading = this.sink.parseHead(this.partial, 0, this.gathered);
    if (reading === 'incomplete' || reading === 'complete') return 'cut';
    this.violate(reading);
    return 'refused';
  }

  private run(bytes: Buffer): void {
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      if (this.holds !== 0) {
        if ((this.holds & HOLD_CLOSED) === 0) {
          this.tail = at === 0 ? bytes : bytes.subarray(at);
          retainBytes();
        }
        return;
      }
      switch (this.mode) {
        case IN_HEAD:
          at = this.readHead(bytes, at);
          break;
        case IN_FIXED: {
          const stop = Math.min(end, at + this.remaining);
          this.remaining -= stop - at;
          const last = this.remaining === 0;
          if (last) this.mode = IN_HEAD;
          const piece = at === 0 && stop === end ? bytes : bytes.subarray(at, stop);
          at = stop;
          this.sink.onBodyData(piece, last);
          break;
        }
        case IN_CHUNKED:
          at = this.readChunked(bytes, at);
          break;
        default: {
          const piece = at === 0 ? bytes : bytes.subarray(at);
          at = end;
          this.sink.onBodyData(piece, false);
        }
      }
    }
  }

  private readChunked(bytes: Buffer, at: number): number {
    const chunks = this.chunks!;
    const next = chunks.decode(bytes, at, this);
    if (chunks.violated) {
      this.violate(null);
      return bytes.length;
    }
    return next;
  }

  /** From the chunked decoder: the mode changes before the sink hears of the end, since the sink may ask for the next. */
  onBodyData(chunk: Buffer, end: boolean): void {
    if (end) this.mode = IN_HEAD;
    this.sink.onBodyData(chunk, end);
  }

  onBodyTrailers(trailers: Head): void {
    this.mode = IN_HEAD;
    this.sink.onBodyTrailers(trailers);
  }

  private readHead(bytes: Buffer, at: number): number {
    if (this.partial !== null) return this.gather(bytes, at);
    if (this.toleratesBlankLine && (this.blank === 1 || bytes[at] === 13)) {
      if (bytes[at] !== (this.blank === 0 ? 13 : 10) || this.blank === 2) {
        this.violate('bad_request');
        return bytes.length;
      }
      this.blank++;
      return at + 1;
    }
    const end = bytes.length;
    if (bytes[at] === 10 || bytes[at] === 13) {
      // No head begins with a line's end.
      this.violate(this.toleratesBlankLine ? 'bad_request' : 'protocol_error');
      return end;
    }
    const { maxHeadBytes } = this.limits;
    let stop = Math.min(end, at + maxHeadBytes);
    if (end - at > SEARCH_FROM) {
      const empty = bytes.indexOf('\r\n\r\n', at, 'latin1');
      if (empty >= 0) stop = Math.min(stop, empty + 4);
    }
    // A head outlives the bytes that it came in.
    const borrowed = end > BORROWED_ABOVE;
    const reading = borrowed
      ? this.sink.parseHead(copyOf(bytes, at, stop), 0, stop - at)
      : this.sink.parseHead(bytes, at, stop);
    if (reading === 'complete') {
      this.blank = 0;
      return borrowed ? at + this.sink.onHeadRead() : this.sink.onHeadRead();
    }
    if (reading !== 'incomplete') {
      this.violate(reading);
      return end;
    }
    if (end - at >= maxHeadBytes) {
      this.violate(tooLarge(bytes, at, at + maxHeadBytes));
      return end;
    }
    this.partial = Buffer.allocUnsafeSlow(Math.min(maxHeadBytes, Math.max(1024, (end - at) * 2)));
    this.gathered = bytes.copy(this.partial, 0, at, end);
    this.parseAgainAt = this.gathered * 2;
    this.sink.onHeadStarted();
    return end;
  }

  /** Adds to a head in pieces, and parses again only when it is complete or has doubled. */
  private gather(bytes: Buffer, at: number): number {
    const { maxHeadBytes } = this.limits;
    const had = this.gathered;
    const taken = Math.min(bytes.length - at, maxHeadBytes - had);
    const whole = this.room(had + taken);
    bytes.copy(whole, had, at, at + taken);
    this.gathered = had + taken;
    const from = Math.max(0, had - 3);
    const empty = whole.subarray(0, this.gathered).indexOf('\r\n\r\n', from, 'latin1');
    if (empty < 0 && this.gathered < maxHeadBytes && this.gathered < this.parseAgainAt) return at + taken;

    const reading = this.sink.parseHead(whole, 0, empty < 0 ? this.gathered : empty + 4);
    if (reading === 'complete') {
      this.partial = null;
      this.blank = 0;
      return at + this.sink.onHeadRead() - had;
    }
    if (reading !== 'incomplete') {
      this.violate(reading);
      return bytes.length;
    }
    if (this.gathered >= maxHeadBytes) {
      this.violate(tooLarge(whole, 0, maxHeadBytes));
      return bytes.length;
    }
    this.parseAgainAt = this.gathered * 2;
    return at + taken;
  }

  private room(needed: number): Buffer {
    const partial = this.partial!;
    if (needed <= partial.length) return partial;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.limits.maxHeadBytes, Math.max(needed, partial.length * 2)));
    partial.copy(larger, 0, 0, this.gathered);
    this.partial = larger;
    return larger;
  }

  private violate(reason: FailureCode | null): void {
    this.holds |= HOLD_CLOSED;
    this.partial = null;
    this.tail = null;
    this.sink.onViolation(reason);
  }
}

/** Which part of a head that is not over after all that it may have (RFC 9112 3). */
function tooLarge(bytes: Buffer, start: number, end: number): FailureCode {
  return bytes.subarray(start, end).includes('\r\n', 0, 'latin1') ? 'headers_too_large' : 'uri_too_long';
}
