// Opens connections to endpoints, each from the address that says who calls.

import { connect } from 'node:net';
import { isOwnAddress, type Peers } from './peers.ts';
import { SocketTransport } from './socket-transport.ts';
import type { PeerTable, Transport } from './transport.ts';

export class Dialer {
  private readonly ownAddress: string;
  private readonly peers: PeerTable;

  /** `ownAddress`: the loopback address that is this workload's own, or ''. */
  constructor(ownAddress: string, peers: Peers) {
    this.ownAddress = ownAddress;
    this.peers = peers;
  }

  /**
   * Opens a connection; one of the two is called, once, later. `failed` hears what the system said: 'connect ECONNREFUSED
   * 127.0.0.1:9'. Returns what gives up on it.
   */
  dial(
    address: string,
    port: number,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
  ): () => void {
    // Between workloads the caller's own loopback address is its identity.
    const localAddress = this.ownAddress !== '' && isOwnAddress(address) ? this.ownAddress : undefined;
    const socket = connect({ host: address, port, localAddress, noDelay: true, keepAlive: true });
    const onError = (error: Error): void => failed(error.message);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      connected(new SocketTransport(socket, this.peers));
    });
    return () => socket.destroy();
  }
}
