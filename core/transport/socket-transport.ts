// The one Transport: a socket, or what stands in for it behind network filters. One class for both, so that codecs call the
// same code for every connection.

import { readDirectly } from './direct-socket.ts';
import { readSecurely } from './direct-tls.ts';
import { Outbox, type OutboxOwner } from './outbox.ts';
import type { Origin } from './proxy-header.ts';
import type { ByteReceiver } from './read-buffer.ts';
import type { Peer, PeerTable, TlsFacts, Transport, TransportOwner } from './transport.ts';
import type { Wire } from './wire.ts';

/** Bytes buffered towards a slow peer before its connection counts as blocked. */
const HIGH_WATER_MARK = 64 << 10;

let lastId = 0;

/** Unique within this shard. */
export function nextConnectionId(): number {
  return ++lastId;
}

export class SocketTransport implements Transport, ByteReceiver, OutboxOwner {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: TlsFacts | null;
  readonly peer: Peer;
  memo: unknown = null;
  serverName = '';
  readonly out: Outbox;
  private readonly wire: Wire;
  /** Null until it is started, in the callback that made it: nothing but its end can come before. */
  private owner: TransportOwner | null = null;
  private paused = false;

  /**
   * `wire` is connected, and nobody reads it. `tls`: what its handshake has shown, when it had one; `origin`: for whom it is, where a
   * proxy in front of this one has said so.
   */
  constructor(
    wire: Wire,
    peers: PeerTable,
    id = nextConnectionId(),
    tls: TlsFacts | null = null,
    highWaterMark = HIGH_WATER_MARK,
    origin: Origin | null = null,
  ) {
    this.id = id;
    this.tls = tls;
    this.wire = tls !== null && readSecurely(wire, this) ? wire : readDirectly(wire, this);
    // A peer's FIN must not cut what is still to be written.
    this.wire.allowHalfOpen = true;
    // A closed socket has forgotten them.
    const ends = origin ?? this.wire;
    this.remoteAddress = ends.remoteAddress ?? '';
    this.remotePort = ends.remotePort ?? 0;
    this.localAddress = ends.localAddress ?? '';
    this.localPort = ends.localPort ?? 0;
    // What a header says proves nobody.
    this.peer = peers.at(origin === null ? this.remoteAddress : '');
    this.out = new Outbox(this.wire, this, highWaterMark);
    this.wire.on('end', () => this.owner?.onEnd());
    // 'close' follows and tells the owner.
    this.wire.on('error', () => this.destroy());
    this.wire.on('close', () => this.owner?.onClose());
  }

  get writable(): boolean {
    return this.wire.writable && !this.out.ended && !this.out.failed;
  }

  start(owner: TransportOwner): void {
    this.owner = owner;
  }

  receive(piece: Buffer): void {
    this.owner!.receive(piece);
  }

  receiveEnd(): void {
    this.owner!.onEnd();
  }

  onOutboxDrained(): void {
    this.owner!.onDrain();
  }

  onOutboxFailed(): void {
    this.owner!.onWriteFailed();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.wire.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.wire.resume();
  }

  end(): void {
    this.wire.once('finish', () => this.owner?.onFinish());
    this.out.end();
    this.out.flush();
  }

  destroy(): void {
    if (!this.wire.destroyed) this.wire.destroy();
  }

  reset(): void {
    this.wire.resetAndDestroy();
  }
}
