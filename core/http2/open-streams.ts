// The streams of a connection that are open, by number. More than one are read and written by others' connections, so that what these
// have for it in one turn is worth one write; one alone has nobody to wait for.

import type { Outbox } from '../transport/outbox.ts';
import type { Http2Stream } from './stream.ts';

export class OpenStreams {
  private readonly streams = new Map<number, Http2Stream>();
  private readonly out: Outbox;

  constructor(out: Outbox) {
    this.out = out;
  }

  get size(): number {
    return this.streams.size;
  }

  get(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  values(): Iterable<Http2Stream> {
    return this.streams.values();
  }

  add(stream: Http2Stream): void {
    this.streams.set(stream.id, stream);
    this.out.gathers = this.streams.size > 1;
  }

  delete(stream: Http2Stream): void {
    this.streams.delete(stream.id);
    this.out.gathers = this.streams.size > 1;
  }
}
