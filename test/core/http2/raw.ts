// For tests of HTTP/2 on bytes: frames written by hand to a server or a client of ours, and those that come back.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { FailureCode } from '../../../core/errors.ts';
import { FAILURES } from '../../../core/errors.ts';
import type { ClientConnection, ServerConnection, ServerOptions } from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import { CLIENT_OPTIONS, serverOptions } from '../../../core/http/limits.ts';
import { http2 } from '../../../core/http2/codec.ts';
import * as f from '../../../core/http2/frames.ts';
import { Timers } from '../../../core/timers.ts';
import { Asked, answerWith } from '../../contract/codec-rig.ts';
import { type Cleanup, listen, transportOver } from '../http1/rig.ts';

export function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(f.FRAME_HEAD);
  f.putFrameHead(head, 0, body.length, type, flags, id);
  return Buffer.concat([head, body]);
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function setting(name: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(name);
  bytes.writeUInt32BE(value >>> 0, 2);
  return bytes;
}

/** Fields as literals without a table. */
export function block(...fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) =>
      Buffer.concat([
        Buffer.of(0),
        length(name.length),
        Buffer.from(name, 'latin1'),
        length(value.length),
        Buffer.from(value, 'latin1'),
      ]),
    ),
  );
}

function length(size: number): Buffer {
  if (size < 127) return Buffer.of(size);
  const bytes = [127];
  let rest = size - 127;
  for (; rest >= 128; rest >>= 7) bytes.push(128 | (rest & 127));
  return Buffer.of(...bytes, rest);
}

export const GET = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
] as const;
export const POST = [[':method', 'POST'], ...GET.slice(1)] as const;

export function headers(id: number, fields: readonly (readonly [string, string])[], end = true): Buffer {
  return frame(f.HEADERS, f.END_HEADERS | (end ? f.END_STREAM : 0), id, block(...fields));
}

export interface Received {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** Puts the whole frames of `bytes` into `frames`; returns what is left. */
function split(bytes: Buffer, frames: Received[]): Buffer {
  let at = 0;
  while (bytes.length - at >= f.FRAME_HEAD) {
    const end = at + f.FRAME_HEAD + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes[at + 3],
      flags: bytes[at + 4],
      id: bytes.readUInt32BE(at + 5) & f.LARGEST_WINDOW,
      payload: Buffer.from(bytes.subarray(at + f.FRAME_HEAD, end)),
    });
    at = end;
  }
  return bytes.subarray(at);
}

function errorsIn(frames: readonly Received[]): string {
  const said = frames.flatMap(({ type, id, payload }) => {
    if (type === f.RST_STREAM) return [`rst ${id} ${f.ERRORS[payload.readUInt32BE(0)]}`];
    return type === f.GOAWAY ? [`goaway ${f.ERRORS[payload.readUInt32BE(4)]}`] : [];
  });
  return said.join(', ');
}

/** What is said of errors in all of these frames. */
export function told(bytes: Buffer): string {
  const frames: Received[] = [];
  split(bytes, frames);
  return errorsIn(frames);
}

/** The end that writes by hand: a client, or an upstream. */
export class RawClient {
  readonly socket: Socket;
  readonly frames: Received[] = [];
  closed = false;
  /** Bytes that come before frames. */
  private skipped: number;
  private rest: Buffer = Buffer.alloc(0);
  private wake: (() => void)[] = [];

  constructor(socket: Socket, skipped = 0) {
    this.socket = socket;
    this.skipped = skipped;
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', () => this.changed());
    socket.on('close', () => {
      this.closed = true;
      this.changed();
    });
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The preface and no settings of its own. */
  begin(...settings: readonly Buffer[]): void {
    this.send(f.PREFACE, frame(f.SETTINGS, 0, 0, Buffer.concat(settings)));
  }

  async until(what: (frames: readonly Received[]) => boolean): Promise<readonly Received[]> {
    while (!what(this.frames)) {
      if (this.closed) throw new Error(`closed; received: ${this.told()}`);
      await new Promise<void>((resolve) => this.wake.push(resolve));
    }
    return this.frames;
  }

  /** All that came, once the connection is closed. */
  async end(): Promise<string> {
    while (!this.closed) await new Promise<void>((resolve) => this.wake.push(resolve));
    return this.told();
  }

  /** What the server said of errors: 'rst 1 CANCEL, goaway PROTOCOL_ERROR'. */
  told(): string {
    return errorsIn(this.frames);
  }

  /** The first answer's head on this stream. */
  async answered(id: number): Promise<void> {
    await this.until((frames) => frames.some((one) => one.type === f.HEADERS && one.id === id));
  }

  private read(chunk: Buffer): void {
    const size = Math.min(this.skipped, chunk.length);
    this.skipped -= size;
    this.rest = Buffer.concat([this.rest, chunk.subarray(size)]);
    this.rest = split(this.rest, this.frames);
    this.changed();
  }

  private changed(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}

export interface Rig {
  readonly port: number;
  readonly asked: Asked[];
  readonly malformed: FailureCode[];
  readonly connections: ServerConnection[];
  connect(): Promise<RawClient>;
}

/** A server of ours that answers a GET at once, and a POST when `onAsked` does. */
export async function rig(
  t: Cleanup,
  {
    onAsked = (_asked: Asked): void => undefined,
    ...options
  }: Partial<ServerOptions> & { onAsked?(asked: Asked): void } = {},
): Promise<Rig> {
  const timers = new Timers(5);
  const asked: Asked[] = [];
  const malformed: FailureCode[] = [];
  const connections: ServerConnection[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const connection = http2.serve(
      transportOver(socket),
      {
        onRequest(stream, head, end) {
          const one = new Asked(stream, head, end);
          asked.push(one);
          onAsked(one);
          if (head.method === 'GET') answerWith(stream);
          return one;
        },
        onMalformed(stream, reason) {
          malformed.push(reason);
          stream.writeHead(Head.response(FAILURES[reason].status), true);
        },
      },
      { ...serverOptions('outbound', timers), ...options, timers },
    );
    connections.push(connection);
  });
  await listen(server);
  const sockets: Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    for (const connection of connections) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
    timers.stop();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    asked,
    malformed,
    connections,
    async connect() {
      const socket = connect({ port, host: '127.0.0.1' });
      sockets.push(socket);
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      socket.setNoDelay(true);
      return new RawClient(socket);
    },
  };
}

/** A connection of ours to an upstream that writes by hand. `told`: what is logged of its faults. */
export async function upstreamRig(
  t: Cleanup,
): Promise<{ client: ClientConnection; upstream: RawClient; told: string[] }> {
  const told: string[] = [];
  const server = createServer({ noDelay: true });
  await listen(server);
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const client = http2.connect(transportOver(socket), { ...CLIENT_OPTIONS, onFault: (text) => told.push(text) });
  const upstream = new RawClient(await accepted, f.PREFACE.length);
  t.after(async () => {
    client.destroy();
    upstream.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { client, upstream, told };
}
