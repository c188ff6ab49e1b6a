// Accepts connections for a shard: one server per listener, several shards on one port by SO_REUSEPORT. What is accepted
// goes to the codec with this listener's context.

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerConnection, ServerHandler, ServerOptions } from '../http/codec.ts';
import { serveHttp1 } from '../http1/server.ts';
import type { ListenerContext } from '../shard/context.ts';
import { filterConnection } from './filtered-socket.ts';

/** Connections of one shard on one listener, above which new ones are refused at once. */
const MAX_CONNECTIONS = 50_000;

export class Listener {
  readonly context: ListenerContext;
  private readonly server: Server;
  private readonly connections = new Set<ServerConnection>();
  private readonly handler: ServerHandler;
  private draining = false;

  constructor(context: ListenerContext, handler: ServerHandler) {
    this.context = context;
    this.handler = {
      onRequest: (stream, head, end) => handler.onRequest(stream, head, end),
      onMalformed: (stream, reason, head) => handler.onMalformed(stream, reason, head),
      onConnectionClosed: (connection) => {
        this.connections.delete(connection as ServerConnection);
        handler.onConnectionClosed(connection);
        if (this.draining && this.connections.size === 0) this.onDrained?.();
      },
    };
    this.server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) =>
      this.accept(socket),
    );
    this.server.on('error', (error) =>
      context.shard.log('error', 'listener', `${context.spec.name}: ${error.message}`),
    );
  }

  get activeConnections(): number {
    return this.connections.size;
  }

  /** Resolves when connections are accepted; rejects when the address cannot be bound. */
  open(): Promise<void> {
    const { spec, shard } = this.context;
    const { address: host, port } = spec;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, reusePort: shard.options.reusePort, backlog: 4096 }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  /** Takes what is queued, then no more; resolves when the last connection has finished what it had begun. */
  async drain(): Promise<void> {
    // Connections that the system has completed already are accepted before the socket closes.
    await delay(10);
    // On a busy loop the time alone is no turn: right after the sockets were looked at, none is queued.
    await new Promise((resolve) => setImmediate(resolve));
    this.server.close();
    this.draining = true;
    for (const connection of this.connections) connection.drain();
    if (this.connections.size > 0) await new Promise<void>((resolve) => (this.onDrained = resolve));
  }

  private onDrained: (() => void) | null = null;

  close(): void {
    this.server.close();
    for (const connection of [...this.connections]) connection.destroy();
  }

  private accept(socket: Socket): void {
    if (this.connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const filters = this.context.networkFilters();
    const served = filters.length === 0 ? socket : filterConnection(socket, filters, this.context.spec);
    if (served !== null) this.connections.add(serveHttp1(served, this.handler, this.options()));
  }

  private options(): ServerOptions & { timers: ListenerContext['shard']['timers'] } {
    const { shard, spec } = this.context;
    return spec.kind === 'outbound' ? { ...FORWARD, timers: shard.timers } : { ...REVERSE, timers: shard.timers };
  }
}

const REVERSE: ServerOptions = {
  mode: 'reverse',
  maxHeadBytes: 60 << 10,
  maxFields: 100,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 3_600_000,
  maxPipelined: 16,
  highWaterMark: 64 << 10,
};

const FORWARD: ServerOptions = { ...REVERSE, mode: 'forward' };
