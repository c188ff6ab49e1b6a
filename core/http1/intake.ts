// Feeds a socket's bytes to a reader, and stops the socket while the reader is held: what was received is never more
// than the pieces in flight. The same for both ends of a connection.

import type { Socket } from 'node:net';
import { readDirectly } from '../transport/direct-socket.ts';
import { enter, leave } from '../transport/outbox.ts';
import type { ByteReceiver } from '../transport/read-buffer.ts';
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

export class Intake implements ByteReceiver {
  readonly reader: MessageReader;
  /** True while the reader calls its sink. */
  reading = false;
  finReceived = false;
  /** The connection's socket from now on: not always the one that was given. */
  readonly socket: Socket;
  private readonly owner: IntakeOwner;
  private paused = false;
  private tailScheduled = false;

  /** `receiver` gets the socket's bytes and passes them on to `receive`; without it they come here at once. */
  constructor(socket: Socket, reader: MessageReader, owner: IntakeOwner, receiver?: ByteReceiver) {
    this.reader = reader;
    this.owner = owner;
    this.socket = readDirectly(socket, receiver ?? this);
    this.socket.on('end', () => this.receiveFin());
  }

  receive(chunk: Buffer): void {
    enter();
    this.reading = true;
    this.reader.push(chunk);
    this.reading = false;
    if (this.reader.tail !== null && this.reader.tail.length > READ_AHEAD) this.pause();
    this.owner.afterReading?.();
    leave();
  }

  private receiveFin(): void {
    enter();
    this.finReceived = true;
    if (this.reader.tail === null || this.owner.finEndsAll) this.owner.onLastByte();
    leave();
  }

  /** Stops at the next boundary. Only a body pauses the socket at once; the other holds wait whether more comes at all. */
  hold(why: number): void {
    this.reader.holds |= why;
    if (why === HOLD_BODY) this.pause();
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
    this.resume();
  }

  private wake(): void {
    if (this.reader.holds !== 0) return;
    if (this.reader.tail === null) this.resume();
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

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }
}
