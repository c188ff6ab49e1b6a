// Sockets in TLS without the Readable and the Writable in front of what encrypts, as direct-socket.ts has it for plain ones: bytes are
// taken off it into the shard's read buffer and put on it. Handshakes, closing, errors and everything rare stay with the socket.

import { Socket } from 'node:net';
import { lendCopy, PEER_GONE, type StreamHandle, shared, streamBase, type WriteRequest } from './direct-socket.ts';
import { BORROWED_ABOVE, type ByteReceiver, copyOf } from './read-buffer.ts';
import { loadTls } from './tls/credentials.ts';
import type { Wire } from './wire.ts';

interface SecureHandle extends StreamHandle {
  reading: boolean;
  readonly _parentWrap: unknown;
  useUserBuffer(bytes: Buffer): void;
  readStop(): number;
}

/** Hands what arrives on `wire` to `receiver`. False: it is no socket in TLS of this Node, or something of it was read already. */
export function readSecurely(wire: Wire, receiver: ByteReceiver): boolean {
  const handle = secureHandleOf(wire);
  if (handle === null || wire.readableLength !== 0 || typeof handle.useUserBuffer !== 'function') return false;
  const { streamBaseState: state, kReadBytesOrError } = streamBase!;
  const { onread } = handle;
  // What comes while it is paused waits in the socket, and is in front of what follows.
  wire.on('data', (piece: Buffer) => receiver.receive(piece));
  handle.useUserBuffer(shared);
  handle.onread = (unused) => {
    const size = state[kReadBytesOrError];
    if (size <= 0) return onread.call(handle, unused);
    // What was received with it is still decrypted, and nobody's.
    if (wire.destroyed) return undefined;
    if (wire.readableFlowing !== true || wire.readableLength !== 0) {
      const piece = Buffer.from(shared.subarray(0, size));
      if (!wire.push(piece)) {
        handle.reading = false;
        handle.readStop();
      }
    } else if (size > BORROWED_ABOVE) lendCopy(receiver, shared, size);
    else receiver.receive(copyOf(shared, 0, size));
    return undefined;
  };
  return true;
}

/** Writes: one at a time, each encrypted at once. What comes meanwhile leaves together, after it. */
export class SecureWrites {
  /** Bytes that are not with the system. */
  queued = 0;
  private readonly socket: Wire;
  private readonly handle: StreamHandle;
  private readonly onTaken: () => void;
  private readonly onLost: () => void;
  private readonly onDone: (status: number) => void;
  /** That of the next write, and that of the last, which the system lets go of after it has called back. */
  private request: WriteRequest;
  private other: WriteRequest;
  private busy = false;
  /** Of the write that is under way. */
  private size = 0;
  private waiting: Buffer[] = [];
  private ending = false;
  private lost = false;

  private constructor(socket: Wire, handle: StreamHandle, onTaken: () => void, onLost: () => void) {
    this.socket = socket;
    this.handle = handle;
    this.onTaken = onTaken;
    this.onLost = onLost;
    this.onDone = (status) => this.done(status);
    this.request = requestFor(this.onDone);
    this.other = requestFor(this.onDone);
  }

  /** Null where a socket must be written to as such. As DirectWrites.on. */
  static on(socket: Wire, onTaken: () => void, onLost: () => void): SecureWrites | null {
    const handle = secureHandleOf(socket);
    return handle === null || socket.writableLength !== 0 ? null : new SecureWrites(socket, handle, onTaken, onLost);
  }

  /** In this order, behind what was written before. True: the pieces are needed no more. `onTaken` follows. */
  write(pieces: Buffer | readonly Buffer[], size: number): boolean {
    if (this.ending || this.lost) return true;
    this.queued += size;
    if (!this.busy) {
      this.begin(pieces, size);
      return true;
    }
    if (ArrayBuffer.isView(pieces)) this.waiting.push(pieces);
    else this.waiting.push(...pieces);
    return false;
  }

  /** FIN after what was written. */
  end(): void {
    this.ending = true;
    if (!this.busy) this.close();
  }

  private begin(pieces: Buffer | readonly Buffer[], size: number): void {
    const { streamBaseState, kLastWriteWasAsync } = streamBase!;
    const { handle, request } = this;
    this.request = this.other;
    this.other = request;
    this.size = size;
    const error = ArrayBuffer.isView(pieces)
      ? handle.writeBuffer(request, pieces)
      : handle.writev(request, pieces, true);
    // A write that fails at once has called back before it returns.
    if (this.lost) return;
    if (error !== 0) {
      this.lose(error);
      return;
    }
    if (streamBaseState[kLastWriteWasAsync] === 0) {
      this.queued -= size;
      process.nextTick(this.onTaken);
      return;
    }
    this.busy = true;
  }

  private done(status: number): void {
    this.busy = false;
    this.queued -= this.size;
    if (status < 0) {
      this.lose(status);
      return;
    }
    if (this.socket.destroyed) return;
    const { waiting } = this;
    if (waiting.length > 0) {
      this.waiting = [];
      this.begin(waiting.length === 1 ? waiting[0] : waiting, this.queued);
    }
    if (this.lost) return;
    if (!this.busy && this.ending) this.close();
    this.onTaken();
  }

  private close(): void {
    if (!this.socket.writableEnded) this.socket.end();
  }

  private lose(status: number): void {
    this.waiting = [];
    if (this.lost || this.socket.destroyed) return;
    this.lost = true;
    if (!PEER_GONE.has(-status)) {
      this.socket.destroy(new Error(`write failed: ${status}`));
      return;
    }
    this.onLost();
    if (this.ending) this.close();
  }
}

function requestFor(onDone: (status: number) => void): WriteRequest {
  const request = new streamBase!.WriteWrap();
  request.oncomplete = onDone;
  return request;
}

/** What encrypts for a socket of Node's own on top of another one; null for everything else. */
function secureHandleOf(wire: Wire): SecureHandle | null {
  const { _handle: handle, encrypted } = wire as Wire & { _handle?: SecureHandle | null; encrypted?: true };
  if (streamBase === null || encrypted !== true || wire.destroyed || !handle) return null;
  if (Object.getPrototypeOf(wire) !== loadTls().TLSSocket.prototype) return null;
  const below = handle._parentWrap as object | null | undefined;
  if (!below || Object.getPrototypeOf(below) !== Socket.prototype) return null;
  return typeof handle.writeBuffer === 'function' && typeof handle.writev === 'function' ? handle : null;
}
