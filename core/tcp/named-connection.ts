// A connection that is carried to where the name leads that it asks for: what its client says first in TLS is read, and nothing of it
// is changed.

import type { ListenerContext } from '../shard/context.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import type { ServedConnection } from '../transport/listener.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import { readClientHello } from '../transport/tls/client-hello.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { CarriedConnection } from './carried-connection.ts';
import type { TcpPort } from './service.ts';

/** How long a client may take to say whom it asks for. As a handshake. */
const HELLO_MS = 15_000;

export class NamedConnection implements ServedConnection, TransportOwner, TimerOwner {
  onClosed: (() => void) | null = null;
  private readonly listener: ListenerContext;
  private readonly transport: Transport;
  private readonly port: TcpPort;
  private readonly timer = new Timer(this);
  private carried: CarriedConnection | null = null;
  private bytes: Buffer | null = null;
  private graceMs = 0;

  constructor(listener: ListenerContext, transport: Transport, port: TcpPort) {
    this.listener = listener;
    this.transport = transport;
    this.port = port;
    transport.start(this);
    listener.shard.timers.arm(this.timer, HELLO_MS);
  }

  receive(piece: Buffer): void {
    retainBytes();
    const bytes = this.bytes === null ? piece : Buffer.concat([this.bytes, piece]);
    this.bytes = bytes;
    const hello = readClientHello(bytes);
    if (hello !== 'more') this.carry(hello?.serverName ?? null, bytes);
  }

  /** `serverName` null: it speaks no TLS; '': it asks for no name. */
  private carry(serverName: string | null, bytes: Buffer): void {
    const { listener, transport, port } = this;
    listener.shard.timers.cancel(this.timer);
    this.bytes = null;
    transport.serverName = serverName ?? '';
    const service = serverName === null ? port.other : (port.names?.find(serverName) ?? port.other);
    const carried = new CarriedConnection(listener, transport, service, listener.shard);
    this.carried = carried;
    carried.onClosed = () => this.onClosed?.();
    if (this.graceMs > 0) carried.drain(this.graceMs);
    transport.receive(bytes);
  }

  drain(graceMs: number): void {
    this.graceMs = graceMs;
    if (this.carried !== null) this.carried.drain(graceMs);
    else this.listener.shard.timers.arm(this.timer, graceMs);
  }

  destroy(): void {
    if (this.carried === null) this.transport.destroy();
    else this.carried.destroy();
  }

  expired(): void {
    this.transport.destroy();
  }

  onEnd(): void {
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
    this.bytes = null;
    this.onClosed?.();
  }
}
