// Two connections joined: what arrives at one leaves by the other, and the end of one side is the end of the other's. Nothing is
// copied that is worth more than a copy, and a side that takes nothing stops the one that sends.

import { enter, leave } from '../transport/outbox.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';

export interface PumpOwner {
  /** Both are no more. `reset`: one of them broke off, so that the other was cut, too. */
  onPumpEnded(reset: boolean): void;
}

export class BytePump {
  /** Bytes that came from the left, and from the right. */
  readonly left: PumpSide;
  readonly right: PumpSide;
  private readonly owner: PumpOwner;
  private reset = false;

  /** Reads both from now on, in the callback that gave the second of them. */
  constructor(left: Transport, right: Transport, owner: PumpOwner) {
    this.owner = owner;
    this.left = new PumpSide(this, left);
    this.right = new PumpSide(this, right);
    this.left.join(this.right);
    this.right.join(this.left);
  }

  get bytes(): number {
    return this.left.bytes + this.right.bytes;
  }

  /** What was written may be lost. */
  destroy(): void {
    this.left.transport.destroy();
    this.right.transport.destroy();
  }

  /** One side is no more. */
  closed(side: PumpSide, other: PumpSide): void {
    if (other.closed) {
      this.owner.onPumpEnded(this.reset);
      return;
    }
    // What was sent to it is not whole, or nobody is left to take what it sends.
    if (side.ended && other.ended) return;
    this.reset = true;
    other.transport.reset();
  }
}

export class PumpSide implements TransportOwner {
  readonly transport: Transport;
  /** That came from it. */
  bytes = 0;
  /** It has sent its last byte. */
  ended = false;
  closed = false;
  private readonly pump: BytePump;
  private other!: PumpSide;
  private finished = false;

  constructor(pump: BytePump, transport: Transport) {
    this.pump = pump;
    this.transport = transport;
  }

  join(other: PumpSide): void {
    this.other = other;
    this.transport.start(this);
  }

  receive(piece: Buffer): void {
    this.bytes += piece.length;
    const { transport } = this.other;
    // Nobody takes it any more; what the other has sent before that is still passed on.
    if (transport.out.failed) return;
    enter();
    transport.out.append(piece);
    if (!transport.out.roomLeft()) this.transport.pause();
    leave();
  }

  onEnd(): void {
    this.ended = true;
    if (!this.other.closed) this.other.transport.end();
    if (this.finished) this.transport.destroy();
  }

  onDrain(): void {
    this.other.transport.resume();
  }

  onWriteFailed(): void {
    this.other.transport.resume();
  }

  onFinish(): void {
    this.finished = true;
    if (this.ended) this.transport.destroy();
  }

  onClose(): void {
    if (this.closed) return;
    this.closed = true;
    this.pump.closed(this, this.other);
  }
}
