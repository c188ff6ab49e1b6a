// How a connection in TLS is reset: it is the socket below that can be.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/**
 * From now on. The socket below is reset in a turn of its own: whoever asks may be in the middle of what came over it, and under
 * that Node would end with a segmentation fault (24.21, tried).
 */
export function resetBelow(secure: TLSSocket, below: Socket): void {
  secure.resetAndDestroy = () => {
    secure.pause();
    setImmediate(() => below.resetAndDestroy());
    return secure;
  };
}
