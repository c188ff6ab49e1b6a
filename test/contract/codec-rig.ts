// What the codecs' contract runs on: both ends of a real connection, each read and written by the codec, and receivers that
// write down what they are told.

import { type AddressInfo, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { FailureCode } from '../../core/errors.ts';
import type {
  ClientConnection,
  Codec,
  DownstreamStream,
  ResponseReceiver,
  ServerConnection,
  ServerHandler,
  Stream,
  UpstreamStream,
} from '../../core/http/codec.ts';
import { Head } from '../../core/http/head.ts';
import { CLIENT_OPTIONS, serverOptions } from '../../core/http/limits.ts';
import { Timers } from '../../core/timers.ts';
import { Dialer } from '../../core/transport/dial.ts';
import { Peers } from '../../core/transport/peers.ts';
import { SocketTransport } from '../../core/transport/socket-transport.ts';
import { CertifiedSockets } from '../../core/transport/tls/certified-sockets.ts';
import { OutboundTls } from '../../core/transport/tls/outbound.ts';
import type { Transport } from '../../core/transport/transport.ts';
import { type Cleanup, fieldsOf, listen } from '../core/http1/rig.ts';

/** What a receiver was told, in order: 'interim STATUS', 'head', 'data', 'trailers', 'end', 'reset CODE'; pieces of a body are one 'data'. */
export class Told implements ResponseReceiver {
  readonly told: string[] = [];
  head: Head | null = null;
  fields: [string, string][] = [];
  body = '';
  trailers: [string, string][] = [];
  writable = 0;
  onPiece: (chunk: Buffer) => void = () => undefined;
  private wake: (() => void)[] = [];

  onInterim(head: Head): void {
    this.fields = fieldsOf(head);
    this.tell(`interim ${head.status}`, false);
  }

  onHead(head: Head, end: boolean): void {
    this.head = head;
    this.fields = fieldsOf(head);
    this.tell('head', end);
  }

  onData(chunk: Buffer, end: boolean): void {
    this.body += chunk.latin1Slice();
    this.onPiece(chunk);
    if (this.told.at(-1) === 'data') this.told.pop();
    this.tell('data', end);
  }

  onTrailers(trailers: Head): void {
    this.trailers = fieldsOf(trailers);
    this.tell('trailers', true);
  }

  onReset(reason: FailureCode): void {
    this.tell(`reset ${reason}`, false);
  }

  onWritable(): void {
    this.writable++;
    this.changed();
  }

  /** What was told, once `done`. */
  async until(done: (told: Told) => boolean): Promise<string> {
    while (!done(this)) await new Promise<void>((resolve) => this.wake.push(resolve));
    return this.told.join(', ');
  }

  /** What was told, once the message is whole or its stream is dead. */
  over(): Promise<string> {
    return this.until(({ told }) => told.some((what) => what === 'end' || what.startsWith('reset')));
  }

  protected tell(what: string, end: boolean): void {
    this.told.push(what);
    if (end) this.told.push('end');
    this.changed();
  }

  private changed(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}

/** A request at the server's end. */
export class Asked extends Told {
  readonly stream: DownstreamStream;

  constructor(stream: DownstreamStream, head: Head, end: boolean) {
    super();
    this.stream = stream;
    this.onHead(head, end);
  }
}

/** A request at the client's end, and what comes of it. */
export class Sent extends Told {
  readonly stream: UpstreamStream;

  constructor(connection: ClientConnection) {
    super();
    this.stream = connection.open(this);
  }
}

/** One end of a connection. */
export interface Served {
  readonly connection: ServerConnection;
  readonly transport: Transport;
}

export interface CodecServer {
  readonly port: number;
  /** Those that were ever accepted. */
  readonly served: readonly Served[];
  /** The next request that arrives. */
  asked(): Promise<Asked>;
}

/** A server of this codec. `onAsked`: called in the callback in which a request arrives. */
export async function serverOf(
  t: Cleanup,
  codec: Codec,
  onAsked: (asked: Asked) => void = () => {},
): Promise<CodecServer> {
  const timers = new Timers(5);
  const peers = new Peers();
  const served: Served[] = [];
  const arrived: Asked[] = [];
  const waiting: ((asked: Asked) => void)[] = [];
  const handler: ServerHandler = {
    onRequest(stream, head, end) {
      const asked = new Asked(stream, head, end);
      onAsked(asked);
      const next = waiting.shift();
      if (next === undefined) arrived.push(asked);
      else next(asked);
      return asked;
    },
    onMalformed(_stream, reason) {
      throw new Error(`a request was not understood: ${reason}`);
    },
  };
  const listener = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const transport = new SocketTransport(socket, peers);
    served.push({ transport, connection: codec.serve(transport, handler, serverOptions('outbound', timers)) });
  });
  await listen(listener);
  t.after(async () => {
    for (const { connection } of served) connection.destroy();
    await new Promise((resolve) => listener.close(resolve));
    timers.stop();
  });
  return {
    port: (listener.address() as AddressInfo).port,
    served,
    asked: () =>
      new Promise((resolve) => {
        const next = arrived.shift();
        if (next === undefined) waiting.push(resolve);
        else resolve(next);
      }),
  };
}

/** A connection of this codec to a port of this machine. */
export function clientOf(
  t: Cleanup,
  codec: Codec,
  port: number,
): Promise<{ client: ClientConnection; clientTransport: Transport }> {
  return new Promise((resolve, reject) => {
    const connected = (transport: Transport): void => {
      const client = codec.connect(transport, CLIENT_OPTIONS);
      t.after(async () => client.destroy());
      resolve({ client, clientTransport: transport });
    };
    new Dialer('', new Peers(), new OutboundTls(new CertifiedSockets())).dial('127.0.0.1', port, connected, (text) =>
      reject(new Error(text)),
    );
  });
}

export interface Pair extends Pick<CodecServer, 'asked'> {
  readonly client: ClientConnection;
  readonly clientTransport: Transport;
  readonly server: ServerConnection;
  readonly serverTransport: Transport;
}

/** Both ends of one connection. */
export async function pairOf(t: Cleanup, codec: Codec, onAsked?: (asked: Asked) => void): Promise<Pair> {
  const { port, served, asked } = await serverOf(t, codec, onAsked);
  const near = await clientOf(t, codec, port);
  while (served.length === 0) await turn();
  return { ...near, server: served[0].connection, serverTransport: served[0].transport, asked };
}

export function answerWith(stream: DownstreamStream, body = ''): void {
  const head = Head.response(200);
  head.contentLength = body.length;
  stream.writeHead(head, body === '');
  if (body !== '') stream.writeData(Buffer.from(body), true);
}

/** Sends a request without a body. */
export function ask(connection: ClientConnection, path: string, fields: [string, string][] = []): Sent {
  const sent = new Sent(connection);
  sent.stream.writeHead(Head.request('GET', 'a', path, fields), true);
  return sent;
}

/** Sends the head of a request whose body is still to come. */
export function post(connection: ClientConnection): Sent {
  const sent = new Sent(connection);
  const head = Head.request('POST', 'a', '/');
  head.contentLength = -1;
  sent.stream.writeHead(head, false);
  return sent;
}

export const PIECE = 16 << 10;
/** More than the system and both ends keep together, and turns of the loop in which it would have moved. */
const MOST_PIECES = 4096;
const PATIENCE = 200;

export function pieceAt(index: number): Buffer {
  return Buffer.alloc(PIECE, 97 + (index % 26));
}

/** Writes pieces of a body until there is no room for more, and none comes. Returns how many. */
export async function fill(writer: Told & { readonly stream: Stream }): Promise<number> {
  for (let pieces = 1; pieces <= MOST_PIECES; pieces++) {
    if (writer.stream.writeData(pieceAt(pieces - 1), false)) continue;
    const before = writer.writable;
    for (let turns = 0; turns < PATIENCE && writer.writable === before; turns++) await turn();
    if (writer.writable === before) return pieces;
  }
  throw new Error('a reader that takes nothing does not stop its writer');
}
