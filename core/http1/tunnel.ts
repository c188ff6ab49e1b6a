// What only HTTP/1 can ask of who takes its requests. Types only.

import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';

/** Without it every CONNECT is refused. */
export interface TunnelHandler {
  /**
   * CONNECT: may the connection become a tunnel to the head's authority? Null: it is answered 200, and the requests that
   * follow have that destination. Else why not, and `onMalformed` follows.
   */
  onConnect(head: Head): FailureCode | null;
}
