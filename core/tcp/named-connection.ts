// A connection that is carried to where the name leads that it asks for: what its client says first in TLS is read, and nothing of it
// is changed.

import type { ExchangeRecord } from '../exchange/record.ts';
import type { ServerConnection } from '../http/codec.ts';
import type { ListenerContext } from '../shard/context.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import { countMisdeclared } from '../transport/listener-counts.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import { type ClientHello, readClientHello } from '../transport/tls/client-hello.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import { CarriedConnection } from './carried-connection.ts';
import type { TcpService } from './service.ts';

/** How long a client may take to say whom it asks for. As a handshake. */
const HELLO_MS = 15_000;

/** Where a client's hello leads. Null: what came is no TLS; no name is asked for: ''. */
export type ServiceNamed = (hello: ClientHello | null) => TcpService;

export class NamedConnection implements ServerConnection, TransportOwner, TimerOwner {
  onClosed: (() => void) | null = null;
  private readonly listener: ListenerContext;
  private readonly transport: Transport;
  private readonly serviceNamed: ServiceNamed;
  private readonly timer = new Timer(this);
  private carried: CarriedConnection | null = null;
  private bytes: Buffer | null = null;
  private graceMs = 0;

  constructor(listener: ListenerContext, transport: Transport, serviceNamed: ServiceNamed) {
    this.listener = listener;
    this.transport = transport;
    this.serviceNamed = serviceNamed;
    transport.start(this);
    listener.shard.timers.arm(this.timer, HELLO_MS);
  }

  get activeStreams(): number {
    return 1;
  }

  get exchange(): ExchangeRecord | null {
    return this.carried;
  }

  receive(piece: Buffer): void {
    retainBytes();
    const bytes = this.bytes === null ? piece : Buffer.concat([this.bytes, piece]);
    this.bytes = bytes;
    const hello = readClientHello(bytes);
    if (hello !== 'more') this.carry(hello, bytes);
  }

  private carry(hello: ClientHello | null, bytes: Buffer): void {
    const { listener, transport } = this;
    listener.shard.timers.cancel(this.timer);
    this.bytes = null;
    transport.serverName = hello?.serverName ?? '';
    const carried = new CarriedConnection(listener, transport, this.serviceNamed(hello), listener.shard);
    this.carried = carried;
    // Elsewhere other bytes have a way of their own.
    if (hello === null && listener.spec.kind === 'gateway') {
      carried.terminationDetails = 'not_tls';
      countMisdeclared(listener.counts);
    }
    carried.onClosed = () => this.onClosed?.();
    if (this.graceMs > 0) carried.drain(this.graceMs);
    transport.receive(bytes);
  }

  /** Who is in the middle of a handshake may end it. */
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
    this.bytes = null;
    this.onClosed?.();
  }
}
