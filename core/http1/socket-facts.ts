// A connection's number and addresses. Each address is one system call and is kept, since a closed socket has
// forgotten them.

import type { Socket } from 'node:net';

let last = 0;

/** Unique within this shard. */
export function nextConnectionId(): number {
  return ++last;
}

export class SocketFacts {
  private readonly socket: Socket;
  private remote: string | undefined;
  private remoteNumber: number | undefined;
  private local: string | undefined;
  private localNumber: number | undefined;

  constructor(socket: Socket, connected: boolean) {
    this.socket = socket;
    if (connected) this.remember();
  }

  /** Once connected: asks while the socket still knows. */
  remember(): void {
    this.remote = this.socket.remoteAddress;
    this.remoteNumber = this.socket.remotePort;
    this.local = this.socket.localAddress;
    this.localNumber = this.socket.localPort;
  }

  get remoteAddress(): string {
    return this.remote ?? '';
  }

  get remotePort(): number {
    return this.remoteNumber ?? 0;
  }

  get localAddress(): string {
    return this.local ?? '';
  }

  get localPort(): number {
    return this.localNumber ?? 0;
  }
}
