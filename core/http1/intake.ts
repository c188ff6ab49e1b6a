// Feeds a connection's bytes to a reader, and stops the connection while the reader is held: what was received is never more
// than the pieces in flight. The same for both ends of a connection.

import { enter, leave } from '../transport/outbox.ts';
import type { Transport } from '../transport/transport.ts';
import { HOLD_BODY, HOLD_CLOSED, type MessageReader } from './reader.ts';

export interface IntakeOwner {
  /** Bytes were read as far as holds allow. */
  afterReading?(): void;
  /** The peer sent FIN and everything before it has been read. */
  onLastByte(): void;
  /** Whoever sends FIN wants nothing more: what was received before it and not read is not waited for. */
  readonly finEndsAll: boolean;
}

/** Bytes read on while something holds, so that a peer that leaves is noticed. */
const READ_AHEAD = 16 << 10;

export class Intake {
  readonly reader: MessageReader;
  /** True while the reader calls its sink. */
  reading = false;
  finReceived = false;
  private readonly transport: Transport;
  private readonly owner: IntakeOwner;
  private tailScheduled = false;

  constructor(transport: Transport, reader: MessageReader, owner: IntakeOwner) {
    this.transport = transport;
    this.reader = reader;
    this.owner = owner;
  }

  receive(chunk: Buffer): void {
    enter();
    this.reading = true;
    this.reader.push(chunk);
    this.reading = false;
    if (this.reader.tail !== null && this.reader.tail.length > READ_AHEAD) this.transport.pause();
    this.owner.afterReading?.();
    leave();
  }

  receiveFin(): void {
    enter();
    this.finReceived = true;
    if (this.reader.tail === null || this.owner.finEndsAll) this.owner.onLastByte();
    leave();
  }

  /** Stops at the next boundary. Only a body pauses the connection at once; the other holds wait whether more comes at all. */
  hold(why: number): void {
    this.reader.holds |= why;
    if (why === HOLD_BODY) this.transport.pause();
  }

  /** Lifts one hold, and reads on when it was the last. */
  release(why: number): void {
    this.reader.holds &= ~why;
    this.wake();
  }

  /** From now on everything received is thrown away. */
  discardAll(): void {
    this.reader.holds |= HOLD_CLOSED;
    this.reader.tail = null;
    this.transport.resume();
  }

  /** Somebody else reads the connection from now on, and has what came of it. */
  leave(): void {
    this.reader.holds |= HOLD_CLOSED;
    this.reader.tail = null;
  }

  private wake(): void {
    if (this.reader.holds !== 0) return;
    if (this.reader.tail === null) this.transport.resume();
    else if (!this.tailScheduled) {
      this.tailScheduled = true;
      // On the next tick: whoever lifts the hold is in the middle of something.
      process.nextTick(() => this.readTail());
    }
  }

  private readTail(): void {
    this.tailScheduled = false;
    enter();
    this.reading = true;
    this.reader.runTail();
    this.reading = false;
    this.owner.afterReading?.();
    if (this.reader.tail === null) {
      this.wake();
      if (this.finReceived) this.owner.onLastByte();
    }
    leave();
  }
}
