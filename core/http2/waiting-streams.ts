// The streams of a connection whose owners were told to wait, since the peer's windows or the connection had no room.

import type { Outbox } from '../transport/outbox.ts';
import type { Http2Stream } from './stream.ts';

export class WaitingStreams {
  private readonly streams = new Set<Http2Stream>();

  add(stream: Http2Stream): void {
    this.streams.add(stream);
  }

  has(stream: Http2Stream): boolean {
    return this.streams.has(stream);
  }

  delete(stream: Http2Stream): void {
    this.streams.delete(stream);
  }

  /** There may be room again: each sends in its turn, a frame at a time, so that none takes what is there for all. */
  goOn(out: Outbox): void {
    const { streams } = this;
    if (streams.size === 0) return;
    for (let moved = true; moved && !out.blocked; ) {
      moved = false;
      for (const stream of streams) if (stream.sendQueued()) moved = true;
    }
    for (const stream of streams) if (stream.goOn()) streams.delete(stream);
  }
}
