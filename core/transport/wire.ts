// What the transport uses of a socket: Node's own are this, and what stands in for one behind network filters. Types only.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export type Wire = Duplex &
  Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort' | 'connecting'> & {
    /** Closes with RST. */
    resetAndDestroy(): unknown;
  };
