// What Node's own sockets stand on: the system's stream, without the Readable and the Writable in front of it, which cost a
// small request about a tenth of its CPU. Node hands it out by process.binding; where it does not (its permission model),
// or where its shape is another one, there is none and sockets are used as everybody uses them.

import { Socket } from 'node:net';
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

export const streamBase: StreamBase | null = load();

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
