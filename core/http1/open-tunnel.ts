// What CONNECT has made of a connection. Its first bytes say what it is for: TLS or frames of HTTP/2, which somebody else takes over, or
// requests of HTTP/1, which are read as before.

import type { ServerConnection } from '../http/codec.ts';
import type { Transport } from '../transport/transport.ts';
import type { TunnelHandler } from './tunnel.ts';

export class OpenTunnel {
  /** Where it leads: 'up.example:443'. */
  readonly authority: string;
  /** Nothing has come through it yet. */
  untold = true;
  /** Who has the connection from now on. */
  carried: ServerConnection | null = null;

  constructor(authority: string) {
    this.authority = authority;
  }

  /** False: these are requests of HTTP/1. `closed`: told when the connection is no more, which somebody else has. */
  begin(first: Buffer, transport: Transport, handler: Partial<TunnelHandler>, closed: () => void): boolean {
    this.untold = false;
    const carried = handler.carry?.(transport, this.authority, first) ?? null;
    if (carried === null) return false;
    this.carried = carried;
    carried.onClosed = closed;
    transport.resume();
    transport.receive(first);
    return true;
  }
}
