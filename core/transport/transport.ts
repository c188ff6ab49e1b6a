// What a codec needs of a connection: bytes in, bytes out, its two ends, and what is known of who is there. Sockets, reads
// and writes below Node's streams and network filters are behind it (socket-transport.ts). Types only.

import type { Workload } from '../workload.ts';
import type { Outbox } from './outbox.ts';
import type { ByteReceiver } from './read-buffer.ts';

/** Who is at the other end, by what the connection itself has proven. What is known of a peer may change while it lives. */
export interface Peer {
  /** Null: nobody that the mesh knows. */
  readonly workload: Workload | null;
  /** 'cluster.local/ns/default/sa/bookinfo-productpage' (without spiffe://), or '' when no identity is proven. */
  readonly principal: string;
}

/** What a handshake has shown. */
export interface TlsFacts {
  /** 'TLSv1.3' */
  readonly version: string;
  /** What both have agreed to speak (ALPN), or ''. */
  readonly alpn: string;
  /** The name that the client asked for (SNI), or ''. */
  readonly serverName: string;
  /** Which server of a gateway it is with (TlsServer.key), or ''. */
  readonly server: string;
  /** 'spiffe://cluster.local/ns/default/sa/sleep'; '' = no such identity is proven. */
  readonly peerUri: string;
  /** Names of hosts in the peer's certificate. */
  readonly peerNames: readonly string[];
  readonly localUri: string;
  /** Of the peer's certificate: its SHA-256 in hex, and its subject. '' where it has shown none, or a session was resumed without one. */
  readonly peerDigest: string;
  readonly peerSubject: string;
  /** The element that `x-forwarded-client-cert` gets for it, or ''. */
  readonly forwarded: string;
}

/** Who is at which address. */
export interface PeerTable {
  /** Asked once a connection. */
  at(address: string): Peer;
}

/** What a connection is called and where it ends; known also when it is closed. */
export interface ConnectionFacts {
  /** Unique within this shard. */
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Null in plain text. */
  readonly tls: TlsFacts | null;
  /** What its client asks for in a handshake that is somebody else's (SNI); '' or left out: nothing. */
  readonly serverName?: string;
}

/** A connection, to those who read its streams. */
export interface Connection extends ConnectionFacts {
  readonly peer: Peer;
  /** Free for the owner: the router remembers here what the last request on this connection resolved to. */
  memo: unknown;
}

/** A connected connection, to the one codec that reads and writes it. */
export interface Transport extends Connection {
  serverName: string;
  /** Everything that is written. Gathered per tick. */
  readonly out: Outbox;
  /** False once it is closed, its end was written or the peer takes nothing more. */
  readonly writable: boolean;
  /** Bytes arrive at `owner` from now on. First called in the callback that gave the transport; another may take over. */
  start(owner: TransportOwner): void;
  /** Bytes that somebody else has read of it already, as if they came now. */
  receive(piece: Buffer): void;
  /** Its end, after those. */
  receiveEnd(): void;
  /** Back-pressure towards the peer. Idempotent, as `resume` is; a piece may be under way. */
  pause(): void;
  resume(): void;
  /** FIN after what was written; then `onFinish`. The peer may go on sending. */
  end(): void;
  /** Closes now; `onClose` follows. What was written may be lost. */
  destroy(): void;
  /** Closes with RST: the peer sees that what it got is not whole. */
  reset(): void;
}

/** What a codec hears of its connection, beside the bytes (`receive`): Node's events of a socket. */
export interface TransportOwner extends ByteReceiver {
  /** The peer has sent its last byte. */
  onEnd(): void;
  /** The peer takes bytes again after `out` was blocked. What is written now leaves with this callback. */
  onDrain(): void;
  /** The peer takes nothing more; what it has sent may still come, and then its end. */
  onWriteFailed(): void;
  /** All of it and our FIN are with the system. */
  onFinish(): void;
  /** It is no more. Called once, last. */
  onClose(): void;
}
