// Takes bytes off a socket without a new 64 KiB ArrayBuffer for every read (12 % of a small request's CPU): one read
// buffer for the shard, small reads copied out of it, larger ones lent, and a buffer of its own for a socket that streams.

import { Socket } from 'node:net';
import { BORROWED_ABOVE, type ByteReceiver, copyOf, passBorrowed } from './read-buffer.ts';
import { handleOf, streamBase } from './stream-base.ts';
import type { Wire } from './wire.ts';

const READ = 64 * 1024;
/** Read buffers kept for the next socket that streams. */
const MOST_SPARE = 4;

/** Overwritten by the next read of any socket of this shard. */
const shared: Buffer = Buffer.allocUnsafeSlow(READ);
/** Larger reads are copied here to be lent: the system cannot be told to leave `shared` alone while a write waits. */
let loans = Buffer.allocUnsafeSlow(READ);
let lentUpTo = 0;
/** Read buffers of sockets that have stopped streaming. */
const spare: Buffer[] = [];

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
export function readDirectly(socket: Wire, receiver: ByteReceiver): Wire {
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
  /** Where the next read goes: `shared`, or a buffer that only this socket reads into. */
  next: Buffer = shared;
  private readonly receiver: ByteReceiver;

  constructor(receiver: ByteReceiver) {
    this.receiver = receiver;
  }

  take(size: number, bytes: Buffer): boolean {
    const { receiver } = this;
    if (size === READ) {
      // A full read means that more waits: from the next one on nothing need be copied.
      if (bytes === shared) {
        this.next = spare.pop() ?? Buffer.allocUnsafeSlow(READ);
        lendCopy(receiver, bytes, size);
      } else if (!passBorrowed(receiver, bytes)) this.next = Buffer.allocUnsafeSlow(READ);
      return true;
    }
    if (bytes !== shared) this.next = shared;
    if (size > BORROWED_ABOVE) lendCopy(receiver, bytes, size);
    else receiver.receive(copyOf(bytes, 0, size));
    if (bytes !== shared && spare.length < MOST_SPARE) spare.push(bytes);
    return true;
  }
}

function lendCopy(receiver: ByteReceiver, bytes: Buffer, size: number): void {
  if (READ - lentUpTo < size) {
    loans = Buffer.allocUnsafeSlow(READ);
    lentUpTo = 0;
  }
  const start = lentUpTo;
  const end = start + size;
  const memory = loans;
  bytes.copy(memory, start, 0, size);
  lentUpTo = end;
  // Kept: what comes next is put behind it.
  if (passBorrowed(receiver, memory.subarray(start, end)) && loans === memory && lentUpTo === end) lentUpTo = start;
}
