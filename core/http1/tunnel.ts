// What only HTTP/1 can ask of who takes its requests: CONNECT, and what comes through it. Types only.

import type { FailureCode } from '../errors.ts';
import type { ServerConnection } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import type { Transport } from '../transport/transport.ts';

/** Without it every CONNECT is refused. */
export interface TunnelHandler {
  /**
   * CONNECT: may the connection become a tunnel to the head's authority? Null: it is answered 200, and what follows has that
   * destination. Else why not, and `onMalformed` follows.
   */
  onConnect(head: Head): FailureCode | null;
  /**
   * Something begins in the tunnel: who is returned has the connection from now on, and all that came through it. Null: these are
   * requests of HTTP/1, which are `onRequest`'s.
   */
  carry(transport: Transport, authority: string, first: Buffer): ServerConnection | null;
}
