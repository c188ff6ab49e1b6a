// What a peer may send of all bodies on a connection (RFC 9113 5.2). It is given back as bytes come, and not as they are read, or a
// reader that takes nothing would hold up the others; but for a peer of which too much waits to be read.

import type { Outbox } from '../transport/outbox.ts';
import { writeWindowUpdate } from './frames.ts';
import { CONNECTION_WINDOW, MOST_HELD } from './limits.ts';

/** Before anybody says otherwise. */
export const DEFAULT_WINDOW = 65535;

export class ReceiveWindow {
  private readonly out: Outbox;
  private left = DEFAULT_WINDOW;
  /** Bytes that came, and of which the peer has not been told. */
  private unacknowledged = 0;
  /** Bytes that wait for their readers. */
  private held = 0;

  constructor(out: Outbox) {
    this.out = out;
  }

  open(): void {
    writeWindowUpdate(this.out, 0, CONNECTION_WINDOW - this.left);
    this.left = CONNECTION_WINDOW;
  }

  /** A frame of so many bytes begins; false: the peer may not send it. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  came(bytes: number): void {
    this.unacknowledged += bytes;
    if (this.unacknowledged < CONNECTION_WINDOW / 2 || this.held > MOST_HELD) return;
    writeWindowUpdate(this.out, 0, this.unacknowledged);
    this.left += this.unacknowledged;
    this.unacknowledged = 0;
  }

  /** So many bytes more wait, or fewer. */
  holds(bytes: number): void {
    this.held += bytes;
    if (bytes < 0) this.came(0);
  }
}
