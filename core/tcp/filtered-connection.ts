// A connection with network filters in front of its codec: to the transport it is the socket. What the client sends passes the
// filters in order, what the codec writes passes them in reverse; a filter may hold, change, swallow or end. Only
// connections that have filters are one of these.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { BodyBuffer } from '../exchange/body-buffer.ts';
import type { ConnectionRecord, ExchangeRecord } from '../exchange/record.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Origin } from '../transport/proxy-header.ts';
import type { ConnectionFacts, TlsFacts } from '../transport/transport.ts';
import type { Wire } from '../transport/wire.ts';
import type { ClosedBy, ConnectionOwner, NetworkFilter, NetworkFilterFactory, Side } from './network-filter.ts';

/** Bytes that one filter may hold of one side; then nothing more is taken until it lets go. */
const MAX_HELD_BYTES = 1 << 20;
/** How long a client may take nothing of what is left for it. */
const FLUSH_MS = 5_000;
const NOTHING = Buffer.alloc(0);

/**
 * What stands for the socket behind these filters; null: one of them is down and may not be missing, and the connection is
 * refused.
 */
export function filterConnection(
  socket: Socket,
  filters: readonly NetworkFilterFactory[],
  listener: ListenerSpec,
  id: number,
  tls: TlsFacts | null,
  origin: Origin | null = null,
): FilteredConnection | null {
  const filtered = new FilteredConnection(socket, listener, id, tls, origin);
  if (!filtered.enter(filters)) {
    filtered.destroy();
    return null;
  }
  return filtered;
}

export class FilteredConnection extends Duplex implements ConnectionFacts, Wire {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: TlsFacts | null;
  readonly connecting = false;
  readonly record: ConnectionRecord;
  /** Who serves it, from when somebody does. */
  served: { readonly exchange?: ExchangeRecord | null } | null = null;
  readonly state = new Map<string, Uint8Array>();
  private readonly socket: Socket;
  private readonly entered: FilterInConnection[] = [];
  private opened = false;
  /** Who ended it, once that is known. */
  private endedBy: ClosedBy = 'unknown';
  /** A filter ended it: what has passed is still written. */
  private flushing = false;
  /** The codec's turn to write, when a filter holds enough already. */
  private mayWrite: (() => void) | null = null;
  private mayFinish: ((error?: Error | null) => void) | null = null;

  constructor(
    socket: Socket,
    { kind, configuredPort }: ListenerSpec,
    id: number,
    tls: TlsFacts | null,
    origin: Origin | null,
  ) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.tls = tls;
    this.socket = socket;
    // What a client's FIN must not cut is written here, whatever ends its TLS.
    socket.allowHalfOpen = true;
    const ends = origin ?? socket;
    this.remoteAddress = ends.remoteAddress ?? '';
    this.remotePort = ends.remotePort ?? 0;
    this.localAddress = ends.localAddress ?? '';
    this.localPort = ends.localPort ?? 0;
    this.record = { direction: kind, connection: this, destinationPort: kind === 'gateway' ? configuredPort : 0 };
    socket.on('data', (chunk: Buffer) => this.pass('downstream', 0, chunk, false));
    socket.on('end', () => {
      this.ended('remote');
      this.pass('downstream', 0, NOTHING, true);
    });
    socket.on('error', (error) => {
      this.ended('remote');
      this.destroy(error);
    });
    socket.on('close', () => {
      this.ended('remote');
      this.destroy();
    });
    // Until every filter has seen that it is there.
    socket.pause();
  }

  /** False: it is refused. */
  enter(filters: readonly NetworkFilterFactory[]): boolean {
    for (const factory of filters) {
      const active = new FilterInConnection(this, this.entered.length);
      const filter = factory.connect(active);
      if (filter === null) {
        if (factory.failsOpen) continue;
        return false;
      }
      active.filter = filter;
      this.entered.push(active);
    }
    this.open(0);
    return true;
  }

  letGo(active: FilterInConnection, side: Side): void {
    if (this.destroyed) return;
    const flow = active[side];
    if (flow.running) {
      flow.resumed = true;
      return;
    }
    if (side === 'downstream' && active.opening) {
      active.opening = false;
      this.open(active.index + 1);
      return;
    }
    if (!flow.paused) return;
    flow.paused = false;
    const bytes = flow.held.take();
    this.goOn(side, active.index, bytes, flow.end);
    this.takeMore();
  }

  /** After what has passed already. */
  endFlushed(): void {
    if (this.destroyed) return;
    this.ended('local');
    this.flushing = true;
    this.socket.setTimeout(FLUSH_MS, () => this.socket.destroy());
    this.socket.destroySoon();
    this.destroy();
  }

  resetAndDestroy(): this {
    this.socket.resetAndDestroy();
    return this.destroy();
  }

  override _read(): void {
    this.takeMore();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.mayWrite = done;
    this.pass('upstream', this.entered.length - 1, chunk, false);
    this.writeMore();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.ended('local');
    this.mayFinish = done;
    this.pass('upstream', this.entered.length - 1, NOTHING, true);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.ended('local');
    for (const { filter } of this.entered) {
      filter.closed('downstream', this.endedBy);
      filter.done();
    }
    if (!this.flushing) this.socket.destroy();
    done(error);
  }

  /** The first to say so counts. */
  private ended(by: ClosedBy): void {
    if (this.endedBy === 'unknown') this.endedBy = by;
  }

  private open(from: number): void {
    for (let index = from; index < this.entered.length; index++) {
      const active = this.entered[index];
      active.downstream.running = true;
      const goesOn = active.filter.opened() || active.downstream.resumed;
      active.downstream.running = false;
      active.downstream.resumed = false;
      if (this.destroyed) return;
      if (!goesOn) {
        active.opening = true;
        return;
      }
    }
    this.opened = true;
    this.takeMore();
  }

  /** Bytes that have passed the filters before `from` go on, up to one that holds them, or out. */
  private pass(side: Side, from: number, bytes: Buffer, end: boolean): void {
    const step = side === 'downstream' ? 1 : -1;
    for (let index = from; index >= 0 && index < this.entered.length; index += step) {
      const active = this.entered[index];
      const flow = active[side];
      flow.held.append(bytes);
      flow.end ||= end;
      flow.running = true;
      const goesOn = active.filter.received(side, flow.held, flow.end) || flow.resumed;
      flow.running = false;
      flow.resumed = false;
      if (this.destroyed) return;
      flow.paused = !goesOn;
      if (flow.paused) {
        if (side === 'downstream' && flow.held.length > MAX_HELD_BYTES) this.socket.pause();
        return;
      }
      bytes = flow.held.take();
      end = flow.end;
      // Swallowed.
      if (bytes.length === 0 && !end) return;
    }
    this.leave(side, bytes, end);
  }

  /** From behind the filter at `index`. */
  private goOn(side: Side, index: number, bytes: Buffer, end: boolean): void {
    if (bytes.length === 0 && !end) return;
    this.pass(side, side === 'downstream' ? index + 1 : index - 1, bytes, end);
  }

  private leave(side: Side, bytes: Buffer, end: boolean): void {
    if (side === 'downstream') {
      if (bytes.length > 0 && !this.push(bytes)) this.socket.pause();
      if (end) this.push(null);
      return;
    }
    if (bytes.length > 0) this.socket.write(bytes);
    if (!end) return;
    for (const { filter } of this.entered) filter.closed('upstream', 'unknown');
    const finished = this.mayFinish;
    this.mayFinish = null;
    this.socket.end(() => finished?.());
  }

  private takeMore(): void {
    if (!this.opened || this.destroyed) return;
    if (this.entered.some(({ downstream }) => downstream.held.length > MAX_HELD_BYTES)) return;
    this.socket.resume();
    this.writeMore();
  }

  /** The codec may write again once the client, or the filter that holds, has room. */
  private writeMore(): void {
    const done = this.mayWrite;
    if (done === null || this.entered.some(({ upstream }) => upstream.held.length > MAX_HELD_BYTES)) return;
    this.mayWrite = null;
    if (this.socket.writableNeedDrain) this.socket.once('drain', done);
    else done();
  }
}

/** What one filter holds of one side. */
interface Flow {
  readonly held: BodyBuffer;
  paused: boolean;
  end: boolean;
  /** In the filter's callback; what it asks for takes effect when that has returned. */
  running: boolean;
  resumed: boolean;
}

function flowing(): Flow {
  return { held: new BodyBuffer(), paused: false, end: false, running: false, resumed: false };
}

/** One filter's place on one connection. */
class FilterInConnection implements ConnectionOwner {
  readonly index: number;
  filter!: NetworkFilter;
  readonly downstream = flowing();
  readonly upstream = flowing();
  /** It has not let the connection begin yet. */
  opening = false;
  private readonly connection: FilteredConnection;

  constructor(connection: FilteredConnection, index: number) {
    this.connection = connection;
    this.index = index;
  }

  get record(): ConnectionRecord {
    return this.connection.record;
  }

  get exchange(): ExchangeRecord | null {
    return this.connection.served?.exchange ?? null;
  }

  get state(): Map<string, Uint8Array> {
    return this.connection.state;
  }

  resume(side: Side): void {
    this.connection.letGo(this, side);
  }

  close(): void {
    this.connection.endFlushed();
  }
}
