// Takes bytes off a socket without a new 64 KiB ArrayBuffer for every read (12 % of a small request's CPU): one read
// buffer for the shard, small reads copied out of it, and a buffer of its own only for a socket that streams.

import { Socket } from 'node:net';
import { handleOf, streamBase } from './stream-base.ts';

export interface ByteReceiver {
  /** `chunk` belongs to the receiver. */
  receive(chunk: Buffer): void;
}

const READ = 64 * 1024;
/** Reads up to this size go side by side into a slab; larger ones get memory of their own. */
const SMALL = 4 * 1024;

/** Overwritten by the next read of any socket of this shard. */
const shared = Buffer.allocUnsafeSlow(READ);
let slab = Buffer.allocUnsafeSlow(READ);
let used = 0;

/** What Node's own socket has and its types do not say. */
interface Accepted {
  _handle: unknown;
  _server: unknown;
  server: unknown;
}

/**
 * Hands everything that arrives on `socket` to `receiver`, and returns the socket to use from now on: a new one around
 * the same connection, or `socket` itself where that cannot be done (TLS, a stand-in, bytes already read).
 */
export function readDirectly(socket: Socket, receiver: ByteReceiver): Socket {
  const old = socket as unknown as Accepted;
  const untouched = socket.readableLength === 0 && socket.writableLength === 0 && !socket.connecting;
  if (Object.getPrototypeOf(socket) !== Socket.prototype || !untouched || !old._handle || socket.destroyed) {
    socket.on('data', (chunk: Buffer) => receiver.receive(chunk));
    return socket;
  }
  const reads = new Reads(receiver);
  const fresh = new Socket({
    handle: old._handle,
    allowHalfOpen: true,
    onread: { buffer: () => reads.next, callback: (size: number, bytes: Buffer) => reads.take(size, bytes) },
  } as object);
  // The connection moves with its place in the server's count, without which the server would never close.
  const moved = fresh as unknown as Accepted;
  moved._server = old._server;
  moved.server = old.server;
  old._handle = null;
  old._server = null;
  old.server = null;
  // Messages are written whole, so nothing is gained by waiting to fill a segment.
  fresh.setNoDelay(true);
  readAhead(fresh, reads);
  return fresh;
}

/** Reads come straight from the system's stream; its end and its errors go to the socket as ever. */
function readAhead(socket: Socket, reads: Reads): void {
  const handle = handleOf(socket);
  if (handle === null) return;
  const { streamBaseState: state, kReadBytesOrError } = streamBase!;
  const { onread } = handle;
  handle.onread = (unused) => {
    const size = state[kReadBytesOrError];
    if (size <= 0) return onread.call(handle, unused);
    const bytes = reads.next;
    reads.take(size, bytes);
    return reads.next === bytes ? undefined : reads.next;
  };
}

class Reads {
  /** Where the next read goes. */
  next = shared;
  private readonly receiver: ByteReceiver;

  constructor(receiver: ByteReceiver) {
    this.receiver = receiver;
  }

  take(size: number, bytes: Buffer): boolean {
    const streaming = size === READ;
    const chunk = streaming && bytes !== shared ? bytes : kept(bytes, size);
    // A full read means that more waits: the next one need not be copied. After a short one the shard's will do.
    if (streaming) this.next = Buffer.allocUnsafeSlow(READ);
    else if (this.next !== shared) this.next = shared;
    this.receiver.receive(chunk);
    return true;
  }
}

/** The first `size` bytes in memory that nobody will write to again. */
function kept(bytes: Buffer, size: number): Buffer {
  if (size > SMALL) {
    const copy = Buffer.allocUnsafeSlow(size);
    bytes.copy(copy, 0, 0, size);
    return copy;
  }
  if (READ - used < size) {
    slab = Buffer.allocUnsafeSlow(READ);
    used = 0;
  }
  const start = used;
  used += size;
  bytes.copy(slab, start, 0, size);
  return slab.subarray(start, used);
}
