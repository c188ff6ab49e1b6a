// Opens connections to endpoints, each from the address that says who calls, in TLS to those that take it, and with the header of the
// PROXY protocol to those that ask whom it is for.

import { connect } from 'node:net';
import { isOwnAddress } from '../own-address.ts';
import type { Peers } from './peers.ts';
import { nextConnectionId, SocketTransport } from './socket-transport.ts';
import type { OutboundTls, TlsTarget } from './tls/outbound.ts';
import { resetBelow } from './tls/reset.ts';
import type { PeerTable, Transport } from './transport.ts';

export class Dialer {
  private readonly ownAddress: string;
  private readonly peers: PeerTable;
  private readonly tls: OutboundTls;

  /** `ownAddress`: where this workload is reached; only a loopback address that is its own says who dials. */
  constructor(ownAddress: string, peers: Peers, tls: OutboundTls) {
    this.ownAddress = isOwnAddress(ownAddress) ? ownAddress : '';
    this.peers = peers;
    this.tls = tls;
  }

  /**
   * Opens a connection; one of the two is called, once, later. `failed` hears what the system said: 'connect ECONNREFUSED
   * 127.0.0.1:9'. `target`: whom a handshake is for; null: there is none. `header`: what it begins with; null: nothing. Returns what
   * gives up on it.
   */
  dial(
    address: string,
    port: number,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
    target: TlsTarget | null = null,
    header: Buffer | null = null,
  ): () => void {
    // Between workloads the caller's own loopback address is its identity.
    const localAddress = this.ownAddress !== '' && isOwnAddress(address) ? this.ownAddress : undefined;
    const socket = connect({ host: address, port, localAddress, noDelay: true, keepAlive: true });
    const onError = (error: Error): void => failed(error.message);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      if (target === null) {
        connected(begun(new SocketTransport(socket, this.peers), header));
        return;
      }
      // Outside of the mesh who ends the TLS may be another than who reads the header, and in front of him. Within it is he who does.
      const inside = target.origination === null;
      if (!inside && header !== null) socket.write(header);
      const secured: Parameters<OutboundTls['secure']>[2] = (secure, tls) => {
        resetBelow(secure, socket);
        connected(begun(new SocketTransport(secure, this.peers, nextConnectionId(), tls), inside ? header : null));
      };
      this.tls.secure(socket, target, secured, failed);
    });
    return () => socket.destroy();
  }
}

/** It leaves with what is written first. */
function begun(transport: SocketTransport, header: Buffer | null): Transport {
  if (header !== null) transport.out.append(header);
  return transport;
}
