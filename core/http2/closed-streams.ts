// The streams of a connection that were closed last, and how: a frame that was on its way when we gave one up is no fault, one on a
// stream that had ended is.

import { REMEMBERED } from './limits.ts';

export class ClosedStreams {
  private readonly ids = new Int32Array(REMEMBERED);
  /** 1: given up by us, before it was over. */
  private readonly given = new Uint8Array(REMEMBERED);
  private next = 0;

  add(id: number, reset: boolean): void {
    this.ids[this.next] = id;
    this.given[this.next] = reset ? 1 : 0;
    this.next = (this.next + 1) & (REMEMBERED - 1);
  }

  has(id: number): boolean {
    return this.ids.includes(id);
  }

  wasReset(id: number): boolean {
    const at = this.ids.lastIndexOf(id);
    return at >= 0 && this.given[at] === 1;
  }
}
