// For tests of HTTP/2: an application on Node's own server, and requests of Node's own client.

import {
  type ClientHttp2Session,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface Http2App {
  readonly port: number;
  /** Connections that were ever accepted. */
  readonly sessions: number;
  /** The next request for this path that nobody has asked for. */
  arrived(path: string): Promise<ServerHttp2Stream>;
  /** So many streams from now on are refused. */
  refuse(count: number): void;
  close(): Promise<void>;
}

/**
 * What it answers says what it saw, in JSON; /h is seven bytes, /silent nothing, /echo what comes, with gRPC's trailers;
 * /trailers-only has gRPC's status in its head, /status/N that one.
 */
export async function startHttp2App(): Promise<Http2App> {
  const open = new Set<ServerHttp2Session>();
  const waiting = new Map<string, ServerHttp2Stream[]>();
  let wake: (() => void)[] = [];
  let sessions = 0;
  let refused = 0;
  const server = createServer();
  server.on('session', (session) => {
    sessions++;
    open.add(session);
    session.on('close', () => open.delete(session));
    session.on('error', () => session.destroy());
  });
  // Bytes that are no HTTP/2 end their connection.
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (refused > 0) {
      refused--;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const path = headers[':path'] as string;
    waiting.set(path, [...(waiting.get(path) ?? []), stream]);
    for (const resolve of wake.splice(0)) resolve();
    answer(stream, headers, path);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get sessions() {
      return sessions;
    },
    async arrived(path) {
      for (;;) {
        const stream = waiting.get(path)?.shift();
        if (stream !== undefined) return stream;
        await new Promise<void>((resolve) => {
          wake = [...wake, resolve];
        });
      }
    },
    refuse(count) {
      refused = count;
    },
    close() {
      for (const session of open) session.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string): void {
  if (path === '/silent') return;
  if (path === '/h') {
    stream.respond({ ':status': 200, 'content-length': 7 });
    stream.end('exactly');
  } else if (path === '/trailers-only' || path.startsWith('/status/')) {
    const status = path.slice('/status/'.length);
    const head = { ':status': 200, 'content-type': 'application/grpc' };
    stream.respond({ ...head, 'grpc-status': path === '/trailers-only' ? '5' : status }, { endStream: true });
  } else if (path === '/echo') {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  } else {
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'x-secret': '1' });
      stream.end(JSON.stringify({ version: '2.0', url: path, bytes, headers }));
    });
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

/** One request and all of its answer. */
export function ask(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = client.request(headers, { endStream: body === undefined });
    let head: Answer['headers'] = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (received) => {
      head = received;
    });
    stream.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () =>
      resolve({ status: head[':status'] ?? 0, headers: head, body: Buffer.concat(chunks).latin1Slice(), trailers }),
    );
    if (body !== undefined) stream.end(body);
  });
}
