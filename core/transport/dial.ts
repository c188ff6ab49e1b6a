// Opens connections to endpoints, each from the address that says who calls, and in TLS to those that take it.

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
   * 127.0.0.1:9'. `target`: whom a handshake is for; null: there is none. Returns what gives up on it.
   */
  dial(
    address: string,
    port: number,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
    target: TlsTarget | null = null,
  ): () => void {
    // Between workloads the caller's own loopback address is its identity.
    const localAddress = this.ownAddress !== '' && isOwnAddress(address) ? this.ownAddress : undefined;
    const socket = connect({ host: address, port, localAddress, noDelay: true, keepAlive: true });
    const onError = (error: Error): void => failed(error.message);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      if (target === null) {
        connected(new SocketTransport(socket, this.peers));
        return;
      }
      const secured: Parameters<OutboundTls['secure']>[2] = (secure, tls) => {
        resetBelow(secure, socket);
        connected(new SocketTransport(secure, this.peers, nextConnectionId(), tls));
      };
      this.tls.secure(socket, target, secured, failed);
    });
    return () => socket.destroy();
  }
}
