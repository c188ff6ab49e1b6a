// For tests of authorizers over gRPC: protocol buffers written and read with none of the proxy's own code, and an authorizer on Node's
// own HTTP/2.

import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A field of a message: a number, a text, bytes or a message. */
export type Value = number | string | Buffer | readonly Field[];
export type Field = readonly [field: number, value: Value];

export function message(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([field, value]) => {
      if (typeof value === 'number') return [varint(field * 8), varint(value)];
      const bytes = typeof value === 'string' || Buffer.isBuffer(value) ? Buffer.from(value) : message(value);
      return [varint(field * 8 + 2), varint(bytes.length), bytes];
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

/** Values by field number, in their order: numbers, or bytes that may be a message. */
export function fieldsOf(bytes: Buffer): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = bytes[at++];
      value += (byte % 128) * place;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    let value: number | Buffer = number();
    if (tag % 8 === 2) {
      at += value;
      value = bytes.subarray(at - value, at);
    }
    const field = Math.floor(tag / 8);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

/** What lies at these field numbers, one inside the other: bytes, or null. */
export function inside(bytes: Buffer, ...path: number[]): Buffer | null {
  let here: Buffer | null = bytes;
  for (const field of path) {
    const value: number | Buffer | undefined = here === null ? undefined : fieldsOf(here).get(field)?.[0];
    here = Buffer.isBuffer(value) ? value : null;
  }
  return here;
}

export interface Check {
  readonly headers: IncomingHttpHeaders;
  /** CheckRequest. */
  readonly message: Buffer;
}

export interface Authorizer {
  readonly port: number;
  checks: Check[];
  /** Streams that ended without an answer. */
  readonly gone: number;
  /** What the next checks get. */
  say: (stream: ServerHttp2Stream, check: Check) => void;
  close(): Promise<void>;
}

/** What came, behind the five bytes in front of each. */
function unframed(body: Buffer): Buffer {
  if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) throw new Error('not one whole message');
  return body.subarray(5);
}

/** A whole answer: a message and the status OK. */
export function answer(stream: ServerHttp2Stream, response: Buffer, status = '0'): void {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(response.length, 1);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(Buffer.concat([prefix, response]));
}

export async function startAuthorizer(): Promise<Authorizer> {
  const open = new Set<ServerHttp2Session>();
  const server = createServer();
  let gone = 0;
  const authorizer = {
    port: 0,
    checks: [] as Check[],
    say: (stream: ServerHttp2Stream) => answer(stream, Buffer.alloc(0)),
    get gone() {
      return gone;
    },
    close: () => {
      for (const session of open) session.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  } satisfies Authorizer as Authorizer & { port: number };
  server.on('session', (session) => {
    open.add(session);
    session.on('close', () => open.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('sessionError', () => undefined);
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => undefined);
    stream.on('close', () => {
      if (!stream.headersSent) gone++;
    });
    const check = { headers, message: unframed(await buffer(stream)) };
    authorizer.checks.push(check);
    authorizer.say(stream, check);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  authorizer.port = (server.address() as AddressInfo).port;
  return authorizer;
}
