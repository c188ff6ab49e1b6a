// A connection that was accepted and of which nothing is known yet: its first bytes say what it speaks, or, in TLS, its handshake
// who it is. It stands in for the connection that is served until then.

import type { Socket } from 'node:net';

/** What goes on beside it as long as it is waited for. */
interface Beside {
  abandon(): void;
}

/** Of a record that holds a handshake (RFC 8446 5.1). No request of HTTP begins with it. */
const HANDSHAKE = 0x16;

export function beginsTls(first: Buffer): boolean {
  return first[0] === HANDSHAKE;
}

export class Arrival {
  /** Called once, when it is no more and nothing has come of it. */
  onClosed: (() => void) | null = null;
  readonly socket: Socket;
  private readonly take: (bytes: Buffer) => boolean;
  private readonly waitMs: number;
  private readonly onSilent: (() => Beside | null) | null;
  /** 0: who has begun is waited for no longer than who has not. */
  private begunMs: number;
  private beside: Beside | null = null;
  private timer: NodeJS.Timeout | null;
  private bytes: Buffer | null = null;
  private readonly onClose = (): void => {
    this.stopWaiting();
    this.onClosed?.();
  };
  private readonly onGone = (): void => this.destroy();
  private readonly onData = (piece: Buffer): void => this.arrived(piece);

  /**
   * `take` gets all that came, while nobody reads on, and says whether that is enough. Who has not sent enough after `waitMs` is not
   * waited for. `silence`: what begins after some of it, where the other side may be the one that speaks first. `begunMs`: for the
   * rest, from the first byte on, where that is less.
   */
  constructor(
    socket: Socket,
    waitMs: number,
    take: (bytes: Buffer) => boolean,
    silence: { readonly afterMs: number; begin(): Beside | null } | null = null,
    begunMs = 0,
  ) {
    this.socket = socket;
    this.take = take;
    this.onSilent = silence === null ? null : () => silence.begin();
    this.waitMs = waitMs;
    this.begunMs = begunMs;
    this.timer = silence === null ? this.wait(waitMs) : setTimeout(() => this.silent(), silence.afterMs).unref();
    socket.on('error', this.onGone);
    socket.on('end', this.onGone);
    socket.on('close', this.onClose);
    socket.on('data', this.onData);
  }

  private arrived(piece: Buffer): void {
    const { socket } = this;
    const bytes = this.bytes === null ? piece : Buffer.concat([this.bytes, piece]);
    socket.pause();
    // Before it is asked: it may be somebody else's after that.
    socket.off('data', this.onData);
    if (this.take(bytes)) {
      this.stopWaiting();
      return;
    }
    if (this.bytes === null && this.begunMs > 0) {
      // Who has begun is the first to speak.
      this.stopWaiting();
      this.timer = this.wait(this.begunMs);
    }
    this.bytes = bytes;
    socket.on('data', this.onData);
    socket.resume();
  }

  private wait(ms: number): NodeJS.Timeout {
    return setTimeout(this.onGone, ms).unref();
  }

  private silent(): void {
    this.timer = this.wait(this.waitMs);
    this.beside = this.onSilent!();
  }

  private stopWaiting(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.bytes = null;
    this.beside?.abandon();
    this.beside = null;
  }

  /** What goes on beside it is to go on with whoever has it next: nobody reads it any more. */
  keepBeside(): void {
    this.beside = null;
    this.socket.off('data', this.onData);
    this.socket.pause();
  }

  /** It is somebody else's from now on. */
  release(): void {
    this.stopWaiting();
    this.socket.off('close', this.onClose);
    this.socket.off('end', this.onGone);
  }

  /** What has begun to arrive goes on; who is silent is not waited for any longer than this. */
  drain(graceMs: number): void {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.begunMs = 0;
    this.timer = this.wait(Math.max(1, graceMs));
  }

  /** In a turn of its own, in which no handshake runs. */
  destroy(): void {
    setImmediate(() => this.socket.destroy());
  }
}
