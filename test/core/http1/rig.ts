// What the codec's tests share: a real socket on either side of the codec, and owners that write down what they are told.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FAILURES, type FailureCode } from '../../../core/errors.ts';
import type {
  ClientConnection,
  ClientOptions,
  DownstreamStream,
  ResponseReceiver,
  ServerConnection,
  ServerHandler,
  ServerOptions,
} from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import { http1 } from '../../../core/http1/codec.ts';
import type { TunnelHandler } from '../../../core/http1/tunnel.ts';
import { Timers } from '../../../core/timers.ts';
import { Peers } from '../../../core/transport/peers.ts';
import { SocketTransport } from '../../../core/transport/socket-transport.ts';
import type { Wire } from '../../../core/transport/wire.ts';

export function fieldsOf(head: Head): [string, string][] {
  const fields: [string, string][] = [];
  for (let i = 0; i < head.size; i++) if (head.nameAt(i) !== '') fields.push([head.nameAt(i), head.valueAt(i)]);
  return fields;
}

/** Everything that a receiver heard, in plain data. */
export class Recorded implements ResponseReceiver {
  readonly interim: [status: number, ...fields: [string, string][]][] = [];
  head: Head | null = null;
  fields: [string, string][] = [];
  body = '';
  bytes = 0;
  trailers: [string, string][] | null = null;
  ended = false;
  reset: FailureCode | null = null;
  onEnd: (() => void) | null = null;
  onResetHook: (() => void) | null = null;
  onDataHook: ((chunk: Buffer) => void) | null = null;
  onWritableHook: (() => void) | null = null;
  keepBody = true;

  onInterim(head: Head): void {
    if (this.head !== null) throw new Error('an interim answer after the head');
    this.interim.push([head.status, ...fieldsOf(head)]);
  }

  onHead(head: Head, end: boolean): void {
    this.head = head;
    this.fields = fieldsOf(head);
    if (end) this.finish();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.ended || this.reset !== null) throw new Error('data after the end');
    if (this.keepBody) this.body += chunk.latin1Slice();
    this.bytes += chunk.length;
    this.onDataHook?.(chunk);
    if (end) this.finish();
  }

  onTrailers(trailers: Head): void {
    this.trailers = fieldsOf(trailers);
    this.finish();
  }

  onReset(reason: FailureCode): void {
    if (this.ended && this.reset !== null) throw new Error('reset twice');
    this.reset = reason;
    this.onResetHook?.();
    this.onEnd?.();
  }

  onWritable(): void {
    this.onWritableHook?.();
  }

  private finish(): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = true;
    this.onEnd?.();
  }
}

export class Request extends Recorded {
  readonly stream: DownstreamStream;
  readonly refused: FailureCode | null;

  constructor(stream: DownstreamStream, head: Head | null, refused: FailureCode | null) {
    super();
    this.stream = stream;
    this.refused = refused;
    if (head !== null) {
      this.head = head;
      this.fields = fieldsOf(head);
    }
  }

  get line(): string {
    return this.head === null ? '' : `${this.head.method} ${this.head.authority} ${this.head.path}`;
  }
}

export function answer(stream: DownstreamStream, status: number, body = '', fields: [string, string][] = []): void {
  const head = Head.response(status, fields);
  head.contentLength = body.length;
  stream.writeHead(head, body === '');
  if (body !== '') stream.writeData(Buffer.from(body, 'latin1'), true);
}

/** A test's context, or `after` of node:test for what a whole file shares. */
export interface Cleanup {
  after(what: () => Promise<void>): void;
}

export interface ServerRig {
  readonly port: number;
  readonly requests: Request[];
  readonly connections: Set<ServerConnection>;
  readonly timers: Timers;
  /** Connections that were reported closed. */
  closed: number;
  stop(): Promise<void>;
}

const DEFAULTS = {
  mode: 'reverse',
  maxHeadBytes: 60 << 10,
  maxFields: 100,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxStreams: 4,
} as const;

const nobody = new Peers();

/** `stream`: a socket, or any duplex stream with the events of one. */
export function transportOver(stream: Duplex, highWaterMark?: number): SocketTransport {
  return new SocketTransport(stream as Wire, nobody, undefined, null, highWaterMark);
}

/** A server of ours. Without `onRequest` every request is answered, when it has been read, with its method and path. */
export async function startServer(
  t: Cleanup,
  options: Partial<ServerOptions & TunnelHandler> & { readonly highWaterMark?: number } = {},
  onRequest: (request: Request, end: boolean) => void = answerWhenRead,
): Promise<ServerRig> {
  const timers = options.timers ?? new Timers(5);
  const requests: Request[] = [];
  const connections = new Set<ServerConnection>();
  const handler: ServerHandler & Partial<TunnelHandler> = {
    onConnect: options.onConnect,
    onRequest(stream, head, end) {
      const request = new Request(stream, head, null);
      requests.push(request);
      request.ended = end;
      onRequest(request, end);
      return request;
    },
    onMalformed(stream, reason, head) {
      requests.push(new Request(stream, head, reason));
      stream.closeAfterResponse();
      answer(stream, FAILURES[reason].status, FAILURES[reason].body);
    },
  };
  const server = createServer({ noDelay: true }, (socket) => {
    const transport = transportOver(socket, options.highWaterMark);
    const connection = http1.serve(transport, handler, { ...DEFAULTS, ...options, timers });
    connections.add(connection);
    connection.onClosed = () => {
      connections.delete(connection);
      rig.closed++;
    };
  });
  await listen(server);
  const rig: ServerRig = {
    port: (server.address() as AddressInfo).port,
    requests,
    connections,
    timers,
    closed: 0,
    async stop() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      timers.stop();
    },
  };
  t.after(() => rig.stop());
  return rig;
}

export function answerWhenRead(request: Request, end: boolean): void {
  const reply = (): void => {
    if (request.reset === null) answer(request.stream, 200, `${request.head!.method} ${request.head!.path}`);
  };
  if (end) reply();
  else {
    request.onEnd = reply;
    request.onResetHook = () => {
      if (request.reset === 'bad_request') answer(request.stream, 400, 'Bad Request');
    };
  }
}

export function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

/** A plain socket on the other side of the codec. */
export class Peer {
  readonly socket: Socket;
  received = '';
  closed = false;
  ended = false;
  private wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    const changed = (): void => this.wake?.();
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.latin1Slice();
      changed();
    });
    socket.on('end', () => {
      this.ended = true;
      changed();
    });
    // A reset by the codec is an outcome that tests look at, through `closed`.
    socket.on('error', changed);
    socket.on('close', () => {
      this.closed = true;
      changed();
    });
  }

  static async connect(t: Cleanup, port: number, allowHalfOpen = false): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
    const peer = new Peer(socket);
    t.after(async () => void socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return peer;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Sends byte by byte, each in a segment and an event of its own. */
  async sendSlowly(text: string): Promise<void> {
    for (const c of text) {
      await new Promise<void>((resolve) => {
        this.socket.write(c, 'latin1', () => setImmediate(resolve));
      });
    }
  }

  async until(what: (peer: Peer) => boolean, why = 'the expected bytes'): Promise<string> {
    while (!what(this)) {
      if (this.closed) throw new Error(`closed before ${why}; received: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.received;
  }

  untilText(text: string): Promise<string> {
    return this.until((peer) => peer.received.includes(text), JSON.stringify(text));
  }

  /** Everything up to the other side's FIN or reset. */
  async rest(): Promise<string> {
    await this.until((peer) => peer.ended || peer.closed);
    return this.received;
  }
}

/** Sends one piece of text, then FIN if asked, and returns all that comes back until the connection ends. */
export async function roundTrip(t: Cleanup, port: number, text: string, fin = false): Promise<string> {
  const peer = await Peer.connect(t, port, true);
  peer.send(text);
  if (fin) peer.socket.end();
  const received = await peer.rest();
  peer.socket.destroy();
  return received;
}

export interface ClientRig {
  readonly connection: ClientConnection;
  /** The upstream's end of the socket. */
  readonly peer: Peer;
}

/** A client connection of ours to a socket that the test plays the upstream on. */
export async function startClient(
  t: Cleanup,
  { highWaterMark, ...limits }: Partial<ClientOptions> & { readonly highWaterMark?: number } = {},
): Promise<ClientRig> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, accepted.resolve);
  await listen(server);
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  await once(socket, 'connect');
  const connection = http1.connect(transportOver(socket, highWaterMark), {
    maxHeadBytes: 60 << 10,
    maxFields: 100,
    ...limits,
  });
  const peer = new Peer(await accepted.promise);
  t.after(async () => {
    connection.destroy();
    peer.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { connection, peer };
}

/** Opens a stream and sends a request without a body. */
export function get(connection: ClientConnection, method = 'GET', path = '/'): Recorded {
  const recorded = new Recorded();
  connection.open(recorded).writeHead(Head.request(method, 'app', path), true);
  return recorded;
}

export function settled(recorded: Recorded): Promise<void> {
  if (recorded.ended || recorded.reset !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const before = recorded.onEnd;
    recorded.onEnd = () => {
      before?.();
      resolve();
    };
  });
}

/** Bodies of the answers in a byte stream of fixed-length answers. */
export function bodies(received: string): string[] {
  const found: string[] = [];
  let rest = received;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const length = Number(/Content-Length: (\d+)/.exec(rest.slice(0, end))![1]);
    found.push(rest.slice(end, end + length));
    rest = rest.slice(end + length);
  }
  return found;
}
