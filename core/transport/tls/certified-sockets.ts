// Connections whose peers have shown certificates of the mesh: none is begun with a proxy that was revoked, and those that are there
// end when theirs is.

import type { TLSSocket } from 'node:tls';
import { isRevoked } from '../../config/serial.ts';

export class CertifiedSockets {
  private revoked: ReadonlyMap<string, number> = new Map();
  /** By the numbers of their certificates. */
  private readonly open = new Map<TLSSocket, string>();

  /** From now on. Closes what is open with them; returns how many those were. */
  revoke(revoked: Readonly<Record<string, number>>): number {
    this.revoked = new Map(Object.entries(revoked));
    if (this.revoked.size === 0) return 0;
    const out = [...this.open].filter(([, serial]) => this.refuses(serial));
    for (const [socket] of out) socket.destroy();
    return out.length;
  }

  /** `serial`: of a certificate that is believed otherwise. */
  refuses(serial: string): boolean {
    return isRevoked(serial, this.revoked);
  }

  /** Until it closes. */
  hold(socket: TLSSocket, serial: string): void {
    if (socket.destroyed) return;
    this.open.set(socket, serial);
    socket.once('close', () => this.open.delete(socket));
  }
}
