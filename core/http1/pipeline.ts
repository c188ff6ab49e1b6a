// The requests of one server connection that are not yet answered, in the order in which their answers leave.

import type { FailureCode } from '../errors.ts';
import type { ServerStream } from './server-stream.ts';

export class Pipeline {
  /** The stream whose answer is being written. */
  front: ServerStream | null = null;
  /** Read ahead of it; what their owners write is kept. */
  private readonly behind: ServerStream[] = [];

  get size(): number {
    return this.front === null ? 0 : 1 + this.behind.length;
  }

  /** Requests read ahead of the front. */
  get ahead(): number {
    return this.behind.length;
  }

  /** True when it is this stream's turn at once. */
  add(stream: ServerStream): boolean {
    if (this.front === null) {
      this.front = stream;
      return true;
    }
    stream.hold();
    this.behind.push(stream);
    return false;
  }

  /** True when none of them changes anything, so that a further safe one may be worked on beside them. */
  get allSafe(): boolean {
    if (this.front !== null && !isSafe(this.front.method)) return false;
    for (let i = 0; i < this.behind.length; i++) if (!isSafe(this.behind[i].method)) return false;
    return true;
  }

  /** Takes the front out; the next one has its turn, which `takeTurn` begins. */
  shift(): ServerStream {
    const last = this.front!;
    this.front = this.behind.length === 0 ? null : this.behind.shift()!;
    return last;
  }

  /** None of them will be answered: their owners hear it, the pipeline is empty. */
  drop(reason: FailureCode): void {
    const { front } = this;
    if (front === null) return;
    const streams = [front, ...this.behind];
    this.front = null;
    this.behind.length = 0;
    for (const stream of streams) {
      const { receiver } = stream;
      stream.receiver = null;
      if (stream.dead) continue;
      stream.dead = true;
      if (!stream.done) receiver?.onReset(reason);
    }
  }
}

/** RFC 9110 9.2.1: pipelined requests of these may be worked on at once. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
