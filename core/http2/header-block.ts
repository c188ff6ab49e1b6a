// A header block (RFC 9113 4.3): where it lies in the frame that begins it, and its fragments until the last when there are several,
// within limits of bytes and of frames.

import * as f from './frames.ts';
import { MOST_CONTINUATIONS } from './limits.ts';

const MOST_BYTES = 60 << 10;

export class HeaderBlock {
  /** Its last fragment has not come. */
  open = false;
  id = 0;
  endsStream = false;
  /** Where in the payload the fragment lies that came last; the whole block after `end`. */
  start = 0;
  stop = 0;
  private fragments: Buffer[] | null = null;
  private bytes = 0;

  /** A frame of HEADERS; returns what is wrong with it. */
  begin(flags: number, id: number, payload: Buffer, start: number, end: number): number {
    let at = start;
    let stop = end;
    if ((flags & f.PADDED) !== 0) {
      if (at === stop) return f.FRAME_SIZE_ERROR;
      stop -= payload[at++];
    }
    if (at > stop) return f.PROTOCOL_ERROR;
    if ((flags & f.HAS_PRIORITY) !== 0) {
      if (stop - at < 5) return f.FRAME_SIZE_ERROR;
      if ((payload.readUInt32BE(at) & f.LARGEST_WINDOW) === id) return f.PROTOCOL_ERROR;
      at += 5;
    }
    this.open = true;
    this.id = id;
    this.endsStream = (flags & f.END_STREAM) !== 0;
    this.bytes = 0;
    this.start = at;
    this.stop = stop;
    return f.NO_ERROR;
  }

  /** A frame of CONTINUATION; returns what is wrong with it. */
  go(start: number, end: number): number {
    if (!this.open) return f.PROTOCOL_ERROR;
    this.start = start;
    this.stop = end;
    return f.NO_ERROR;
  }

  /** It was not the last fragment. False: it is one too many. */
  keep(payload: Buffer): boolean {
    this.fragments ??= [];
    this.bytes += this.stop - this.start;
    if (this.bytes > MOST_BYTES || this.fragments.length === MOST_CONTINUATIONS) return false;
    this.fragments.push(Buffer.from(payload.subarray(this.start, this.stop)));
    return true;
  }

  /** It was the last fragment: returns in what the block lies, from `start` to `stop`. */
  end(payload: Buffer): Buffer {
    this.open = false;
    const { fragments } = this;
    if (fragments === null) return payload;
    this.fragments = null;
    const whole = Buffer.concat([...fragments, payload.subarray(this.start, this.stop)]);
    this.start = 0;
    this.stop = whole.length;
    return whole;
  }
}
