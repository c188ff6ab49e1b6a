// Node's own sockets without the Readable and the Writable in front of the system's stream, which cost a small request about a
// tenth of its CPU: bytes are taken off it into one read buffer for the shard (a new 64 KiB ArrayBuffer for every read was
// another 12 %), and put on it. Closing, errors and everything rare stay with the socket.

import { Socket } from 'node:net';
import { constants } from 'node:os';
import { BORROWED_ABOVE, type ByteReceiver, copyOf, passBorrowed } from './read-buffer.ts';
import type { Wire } from './wire.ts';

/** A write that the system did not take at once. */
export interface WriteRequest {
  /** `status` below 0: the connection is lost. */
  oncomplete: ((status: number) => void) | null;
  /** Keeps the bytes alive until then. */
  pieces: Buffer | readonly Buffer[] | null;
}

export interface StreamHandle {
  /** Called for each read into the socket's buffer; what it returns is the buffer for the next read, if anything. */
  onread: (this: unknown, unused: unknown) => Buffer | undefined;
  /** Bytes that were written and not taken by the system. */
  readonly writeQueueSize: number;
  /** 0, or the negative number of an error. `request` is used only when LAST_WRITE_WAS_ASYNC says so. */
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
  writev(request: WriteRequest, pieces: readonly Buffer[], allBuffers: true): number;
}

export interface StreamBase {
  readonly WriteWrap: new () => WriteRequest;
  /** How the last call or callback went, at the two offsets that follow. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

/**
 * Node hands it out by process.binding; where it does not (its permission model), or where its shape is another one, there is
 * none and sockets are used as everybody uses them.
 */
export const streamBase: StreamBase | null = load();

export const READ = 64 * 1024;
/** Read buffers kept for the next socket that streams. */
const MOST_SPARE = 4;

/** Small reads are copied out of it, larger ones lent. Overwritten by the next read of any socket of this shard. */
export const shared: Buffer = Buffer.allocUnsafeSlow(READ);
/** Larger reads are copied here to be lent: the system cannot be told to leave `shared` alone while a write waits. */
let loans = Buffer.allocUnsafeSlow(READ);
let lentUpTo = 0;
/** Read buffers of sockets that have stopped streaming. */
const spareBuffers: Buffer[] = [];

/** After any other error of a write nothing says that reading ends. */
export const PEER_GONE: ReadonlySet<number> = new Set([constants.errno.EPIPE, constants.errno.ECONNRESET]);

/** What the system takes at once leaves the request as it was, so that one does for all sockets. */
let spareRequest: WriteRequest | null = null;

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
        this.next = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(READ);
        lendCopy(receiver, bytes, size);
      } else if (!passBorrowed(receiver, bytes)) this.next = Buffer.allocUnsafeSlow(READ);
      return true;
    }
    if (bytes !== shared) this.next = shared;
    if (size > BORROWED_ABOVE) lendCopy(receiver, bytes, size);
    else receiver.receive(copyOf(bytes, 0, size));
    if (bytes !== shared && spareBuffers.length < MOST_SPARE) spareBuffers.push(bytes);
    return true;
  }
}

/** Lends what `bytes`, which others read into as well, begins with. */
export function lendCopy(receiver: ByteReceiver, bytes: Buffer, size: number): void {
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

/** Writes: the system takes nearly every message at once, and then there is nothing to keep, to call back or to schedule. */
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
    const request = spareRequest ?? new base.WriteWrap();
    const error = ArrayBuffer.isView(pieces)
      ? handle.writeBuffer(request, pieces)
      : handle.writev(request, pieces, true);
    if (error === 0 && base.streamBaseState[base.kLastWriteWasAsync] === 0) {
      spareRequest = request;
      return true;
    }
    spareRequest = null;
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

/** The stream of a connected TCP socket that is one of Node's own and nothing above it (no TLS, no stand-in), or null. */
export function handleOf(socket: Wire): StreamHandle | null {
  if (streamBase === null || Object.getPrototypeOf(socket) !== Socket.prototype || socket.connecting) return null;
  const { _handle: handle } = socket as { _handle?: StreamHandle | null };
  return typeof handle?.writeBuffer === 'function' && typeof handle.writev === 'function' ? handle : null;
}

function load(): StreamBase | null {
  const { binding } = process as unknown as { binding?: (name: string) => Partial<StreamBase> };
  let found: Partial<StreamBase>;
  try {
    found = binding?.('stream_wrap') ?? {};
  } catch {
    return null;
  }
  const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = found;
  if (typeof WriteWrap !== 'function' || !(streamBaseState instanceof Int32Array)) return null;
  if (kReadBytesOrError === undefined || kLastWriteWasAsync === undefined) return null;
  return { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync };
}
