// Server codec and client codec joined in the plainest way, as the proxy joins them: what tests of back-pressure and the
// end-to-end benchmark of the codec run.

import { connect, createServer, type Server } from 'node:net';
import { FAILURES, type FailureCode } from '../../../core/errors.ts';
import type {
  ClientConnection,
  DownstreamStream,
  Receiver,
  ResponseReceiver,
  ServerConnection,
  ServerHandler,
  ServerOptions,
  UpstreamStream,
} from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import { http1 } from '../../../core/http1/codec.ts';
import type { Timers } from '../../../core/timers.ts';
import { transportOver } from './rig.ts';

const CLIENT = { maxHeadBytes: 60 << 10, maxFields: 100 };
const SERVER = {
  mode: 'forward',
  maxHeadBytes: 60 << 10,
  maxFields: 100,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxStreams: 16,
} as const;

/** A server whose every request goes to `upstreamPort` on loopback, over connections kept and used again. */
export class Relay {
  readonly server: Server;
  private readonly idle: ClientConnection[] = [];
  private readonly connections = new Set<ServerConnection>();
  private readonly upstreams = new Set<ClientConnection>();
  private readonly upstreamPort: number;

  constructor(upstreamPort: number, timers: Timers) {
    this.upstreamPort = upstreamPort;
    const options: ServerOptions = { ...SERVER, timers };
    const handler: ServerHandler = {
      onRequest: (stream, head, end) => {
        const exchange = new Exchange(stream);
        // Its body waits until there is a connection.
        stream.pauseReading();
        this.take((connection) => exchange.send(connection, head, end));
        return exchange;
      },
      onMalformed: (stream, reason) => {
        stream.closeAfterResponse();
        stream.writeHead(Head.response(FAILURES[reason].status), true);
      },
    };
    this.server = createServer({ noDelay: true }, (socket) => {
      const connection = http1.serve(transportOver(socket), handler, options);
      this.connections.add(connection);
      connection.onClosed = () => this.connections.delete(connection);
    });
  }

  stop(): Promise<unknown> {
    for (const connection of this.connections) connection.destroy();
    for (const connection of this.upstreams) connection.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }

  private take(use: (connection: ClientConnection) => void): void {
    const known = this.idle.pop();
    if (known !== undefined) {
      use(known);
      return;
    }
    const socket = connect({ port: this.upstreamPort, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => {
      const connection = http1.connect(transportOver(socket), CLIENT);
      this.upstreams.add(connection);
      connection.onAvailable = () => this.idle.push(connection);
      connection.onClosed = () => {
        this.upstreams.delete(connection);
        const at = this.idle.indexOf(connection);
        if (at >= 0) this.idle.splice(at, 1);
      };
      use(connection);
    });
  }
}

class Exchange implements Receiver {
  private readonly down: DownstreamStream;
  private up!: UpstreamStream;
  private answered = false;
  private readonly answer: ResponseReceiver = {
    onInterim: (head) => void this.down.writeInterim(head),
    onHead: (head, end) => {
      this.answered = true;
      this.down.writeHead(head, end);
    },
    onData: (chunk, end) => {
      if (!this.down.writeData(chunk, end)) this.up.pauseReading();
    },
    onTrailers: (trailers) => this.down.writeTrailers(trailers),
    onReset: (reason) => this.fail(reason),
    onWritable: () => this.down.resumeReading(),
  };

  constructor(down: DownstreamStream) {
    this.down = down;
  }

  send(connection: ClientConnection, head: Head, end: boolean): void {
    this.up = connection.open(this.answer);
    this.up.writeHead(head, end);
    this.down.resumeReading();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (!this.up.writeData(chunk, end)) this.down.pauseReading();
  }

  onTrailers(trailers: Head): void {
    this.up.writeTrailers(trailers);
  }

  onReset(): void {
    this.up.reset();
  }

  onWritable(): void {
    this.up.resumeReading();
  }

  private fail(reason: FailureCode): void {
    if (this.answered) this.down.reset();
    else this.down.writeHead(Head.response(FAILURES[reason].status), true);
  }
}
