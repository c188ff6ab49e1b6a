// A connection that was accepted and of which nothing is known yet: its first bytes say what it speaks, or, in TLS, its handshake
// who it is. It stands in for the connection that is served until then.

import type { Socket } from 'node:net';

/** How long a client may be silent before its first byte. */
const SILENT_MS = 60_000;
/** Of a record that holds a handshake (RFC 8446 5.1). No request of HTTP begins with it. */
const HANDSHAKE = 0x16;

export function beginsTls(first: Buffer): boolean {
  return first[0] === HANDSHAKE;
}

export class Arrival {
  /** Called once, when it is no more and nothing has come of it. */
  onClosed: (() => void) | null = null;
  readonly socket: Socket;
  private readonly onClose = (): void => this.onClosed?.();
  private readonly onGone = (): void => this.destroy();

  /**
   * `arrived` gets what came first, while nobody reads on. `waitMs`: how long that may take, where the other side may be the one that
   * speaks first; then nothing came. 0: who is silent is closed.
   */
  constructor(socket: Socket, waitMs: number, arrived: (first: Buffer | null) => void) {
    this.socket = socket;
    const begin = (first: Buffer | null): void => {
      socket.setTimeout(0);
      socket.off('timeout', silent);
      socket.off('data', begin);
      socket.pause();
      arrived(first);
    };
    const silent = waitMs === 0 ? this.onGone : (): void => begin(null);
    socket.setTimeout(waitMs || SILENT_MS, silent);
    socket.on('error', this.onGone);
    socket.on('end', this.onGone);
    socket.on('close', this.onClose);
    socket.on('data', begin);
  }

  /** It is somebody else's from now on. */
  release(): void {
    this.socket.off('close', this.onClose);
    this.socket.off('end', this.onGone);
  }

  /** What has begun to arrive goes on; who is silent is not waited for any longer than this. */
  drain(graceMs: number): void {
    if (this.socket.timeout) this.socket.setTimeout(Math.max(1, graceMs));
  }

  /** In a turn of its own, in which no handshake runs. */
  destroy(): void {
    setImmediate(() => this.socket.destroy());
  }
}
