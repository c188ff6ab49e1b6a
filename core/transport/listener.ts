// Accepts connections for a shard: one server per listener, several shards on one port by SO_REUSEPORT. What is accepted
// passes the listener's network filters and goes to who serves what it speaks.

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { filterConnection } from '../tcp/filtered-connection.ts';
import type { NetworkFilterFactory } from '../tcp/network-filter.ts';
import type { ListenerSpec } from './listener-spec.ts';
import { type Protocol, protocolOf } from './protocol.ts';
import { nextConnectionId, SocketTransport } from './socket-transport.ts';
import type { PeerTable, Transport } from './transport.ts';

/** What a listener asks of the data plane behind it. */
export interface ListenerEnvironment {
  readonly spec: ListenerSpec;
  /** Whether other shards listen at the same address. */
  readonly reusePort: boolean;
  /** Who connects from where. */
  readonly peers: PeerTable;
  log(level: 'error', component: 'listener', message: string): void;
}

/** A connection that is served, to the listener that accepted it. */
export interface ServedConnection {
  /**
   * Graceful: finishes what is open, says with the next answer that it closes, and closes. Where nothing is open it is waited
   * `graceMs` for a request that is on its way and that nobody would send again.
   */
  drain(graceMs: number): void;
  destroy(): void;
  /** Called once, when it is no more. */
  onClosed: (() => void) | null;
}

/** What becomes of an accepted connection that speaks this. */
export type ServeConnection = (transport: Transport, protocol: Protocol) => ServedConnection;

/** Connections of one shard on one listener, above which new ones are refused at once. */
const MAX_CONNECTIONS = 50_000;

export class Listener {
  readonly spec: ListenerSpec;
  /** What a connection passes before the codec, in the order of what a client sends. */
  networkFilters: readonly NetworkFilterFactory[] = [];
  private readonly environment: ListenerEnvironment;
  private readonly serve: ServeConnection;
  private readonly server: Server;
  private readonly protocol: Protocol;
  private readonly connections = new Set<ServedConnection>();
  /** Above 0 once it drains. */
  private graceMs = 0;
  private onEmpty: (() => void) | null = null;

  constructor(environment: ListenerEnvironment, serve: ServeConnection) {
    const { spec } = environment;
    this.environment = environment;
    this.spec = spec;
    this.serve = serve;
    this.protocol = protocolOf(spec);
    this.server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) =>
      this.accept(socket),
    );
    this.server.on('error', (error) => environment.log('error', 'listener', `${spec.name}: ${error.message}`));
  }

  get activeConnections(): number {
    return this.connections.size;
  }

  /** Resolves when connections are accepted; rejects when the address cannot be bound. */
  open(): Promise<void> {
    const { address: host, port } = this.spec;
    const { reusePort } = this.environment;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, reusePort, backlog: 4096 }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  /**
   * Connections are accepted for `acceptMs`, while the news that this listener goes travels, and as long as one is open until
   * `graceMs` are over; each is told to close with its next answer. Resolves when the last one has finished what it had begun.
   */
  async drain(acceptMs: number, graceMs: number): Promise<void> {
    this.graceMs = Math.max(1, graceMs);
    for (const connection of this.connections) connection.drain(graceMs);
    await delay(acceptMs);
    if (graceMs > acceptMs) await this.empty(graceMs - acceptMs);
    // Connections that the system has completed already are accepted before the socket closes.
    await delay(10);
    // On a busy loop the time alone is no turn: right after the sockets were looked at, none is queued.
    await turn();
    this.server.close();
    await this.empty();
  }

  /** No connection is open, or the time is over. */
  private empty(ms?: number): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onEmpty = resolve;
      if (ms !== undefined) setTimeout(resolve, ms).unref();
    });
  }

  close(): void {
    this.server.close();
    for (const connection of [...this.connections]) connection.destroy();
  }

  private accept(socket: Socket): void {
    if (this.connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const id = nextConnectionId();
    const { networkFilters: filters, spec } = this;
    const wire = filters.length === 0 ? socket : filterConnection(socket, filters, spec, id);
    if (wire === null) return;
    const connection = this.serve(new SocketTransport(wire, this.environment.peers, id), this.protocol);
    this.connections.add(connection);
    connection.onClosed = () => this.forget(connection);
    if (this.graceMs > 0) connection.drain(this.graceMs);
  }

  private forget(connection: ServedConnection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.onEmpty?.();
  }
}
