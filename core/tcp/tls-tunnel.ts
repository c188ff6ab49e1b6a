// A tunnel (CONNECT) in which TLS begins: whom its client asks for is read before anybody is spoken to, then its bytes are carried as
// they are.

import type { ServerConnection } from '../http/codec.ts';
import type { ListenerContext } from '../shard/context.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import { readClientHello } from '../transport/tls/client-hello.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { CarriedConnection } from './carried-connection.ts';
import { tunnelService } from './tunnel-service.ts';

/** From the first byte of a hello to its last. */
const HELLO_MS = 15_000;

export class TlsTunnel implements ServerConnection, TransportOwner, TimerOwner {
  onClosed: (() => void) | null = null;
  private readonly listener: ListenerContext;
  private readonly transport: Transport;
  private readonly authority: string;
  private readonly timer = new Timer(this);
  /** What came, until it is a whole hello. */
  private bytes: Buffer = Buffer.alloc(0);
  private carried: CarriedConnection | null = null;
  private graceMs = 0;

  /** `first`: of what came through it. */
  constructor(listener: ListenerContext, transport: Transport, authority: string, first: Buffer) {
    this.listener = listener;
    this.transport = transport;
    this.authority = authority;
    transport.start(this);
    listener.shard.timers.arm(this.timer, HELLO_MS);
    this.receive(first);
    if (this.carried === null) transport.resume();
  }

  get activeStreams(): number {
    return 1;
  }

  receive(piece: Buffer): void {
    retainBytes();
    this.bytes = this.bytes.length === 0 ? piece : Buffer.concat([this.bytes, piece]);
    const hello = readClientHello(this.bytes);
    if (hello === 'more') return;
    if (hello === null) {
      const { spec, shard } = this.listener;
      shard.log(
        'debug',
        'listener',
        `${spec.name}: what comes through a tunnel to ${this.authority} begins as TLS and is none`,
      );
      this.transport.destroy();
      return;
    }
    this.carry(hello.serverName);
  }

  private carry(serverName: string): void {
    const { listener, transport, authority, bytes } = this;
    listener.shard.timers.cancel(this.timer);
    transport.serverName = serverName;
    const service = tunnelService(listener, authority, serverName);
    const carried = new CarriedConnection(listener, transport, service, listener.shard);
    this.carried = carried;
    carried.onClosed = () => this.onClosed?.();
    this.bytes = Buffer.alloc(0);
    carried.receive(bytes);
    if (this.graceMs > 0) carried.drain(this.graceMs);
  }

  /** Who is in the middle of a handshake may end it. */
  drain(graceMs: number): void {
    if (this.carried !== null) this.carried.drain(graceMs);
    else {
      this.graceMs = graceMs;
      this.listener.shard.timers.arm(this.timer, graceMs);
    }
  }

  destroy(): void {
    if (this.carried === null) this.transport.destroy();
    else this.carried.destroy();
  }

  expired(): void {
    this.transport.destroy();
  }

  onEnd(): void {
    // Half a hello.
    this.transport.destroy();
  }

  onDrain(): void {
    // Nothing was written.
  }

  onWriteFailed(): void {
    // Nothing was written.
  }

  onFinish(): void {
    // Nothing was written.
  }

  onClose(): void {
    this.listener.shard.timers.cancel(this.timer);
    this.onClosed?.();
  }
}
