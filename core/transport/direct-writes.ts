// Puts bytes on a socket without its Writable: the system takes nearly every message at once, and then there is nothing to
// keep, to call back or to schedule. Closing, errors and everything rare stay with the socket.

import { constants } from 'node:os';
import { handleOf, type StreamBase, type StreamHandle, streamBase, type WriteRequest } from './stream-base.ts';
import type { Wire } from './wire.ts';

/** After any other error of a write nothing says that reading ends. */
const PEER_GONE: ReadonlySet<number> = new Set([constants.errno.EPIPE, constants.errno.ECONNRESET]);

/** What the system takes at once leaves the request as it was, so that one does for all sockets. */
let spare: WriteRequest | null = null;

export class DirectWrites {
  /** Bytes of writes that the system has not taken whole. */
  queued = 0;
  private readonly socket: Wire;
  private readonly handle: StreamHandle;
  private readonly base: StreamBase;
  private readonly onTaken: () => void;
  private readonly onLost: () => void;
  private lost = false;

  private constructor(socket: Wire, handle: StreamHandle, base: StreamBase, onTaken: () => void, onLost: () => void) {
    this.socket = socket;
    this.handle = handle;
    this.base = base;
    this.onTaken = onTaken;
    this.onLost = onLost;
  }

  /**
   * Null where a socket must be written to as such. `onTaken`: the system has taken a write that it left waiting. `onLost`: the
   * peer is gone, once; what it sent before may still be read, and then its end.
   */
  static on(socket: Wire, onTaken: () => void, onLost: () => void): DirectWrites | null {
    const handle = handleOf(socket);
    return handle === null ? null : new DirectWrites(socket, handle, streamBase!, onTaken, onLost);
  }

  /** In this order and in one piece with what was written before. True: the system has taken all of it. */
  write(pieces: Buffer | readonly Buffer[], size: number): boolean {
    const { base, handle } = this;
    const request = spare ?? new base.WriteWrap();
    const error = Buffer.isBuffer(pieces) ? handle.writeBuffer(request, pieces) : handle.writev(request, pieces, true);
    if (error === 0 && base.streamBaseState[base.kLastWriteWasAsync] === 0) {
      spare = request;
      return true;
    }
    spare = null;
    if (error !== 0) {
      this.lose(error);
      return false;
    }
    this.queued += size;
    request.pieces = pieces;
    request.oncomplete = (status) => {
      request.pieces = null;
      this.queued -= size;
      if (status < 0) this.lose(status);
      else this.onTaken();
    };
    return false;
  }

  private lose(status: number): void {
    if (this.lost || this.socket.destroyed) return;
    this.lost = true;
    if (PEER_GONE.has(-status)) this.onLost();
    else this.socket.destroy(new Error(`write failed: ${status}`));
  }
}
