// How many copies of a book there are: a gRPC service beside Bookinfo's four, so that one hop of the demo is a call.
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { GET, message, numberIn } from './grpc.ts';

const COPIES = 12;
const UNIMPLEMENTED = 12;
const INVALID_ARGUMENT = 3;
const MOST = 1024;
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

const port = Number(process.env.PORT ?? 9080);
const host = process.env.HOST ?? '127.0.0.1';
const server = createServer();
const sessions = new Set<ServerHttp2Session>();

server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
});
server.on('stream', (stream, headers) => {
  // Who asked is gone.
  stream.on('error', () => undefined);
  if (headers[':path'] !== GET) {
    refuse(stream, UNIMPLEMENTED);
    return;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MOST) chunks.push(chunk);
  });
  stream.on('end', () => {
    try {
      // Each book is there as often as the next.
      numberIn(Buffer.concat(chunks));
    } catch {
      refuse(stream, INVALID_ARGUMENT);
      return;
    }
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message(COPIES));
  });
});

function refuse(stream: ServerHttp2Stream, status: number): void {
  stream.respond({ ...HEAD, 'grpc-status': String(status) }, { endStream: true });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close();
    for (const session of sessions) session.close();
  });
}
server.listen({ port, host }, () => process.stdout.write(`stock listens on http://${host}:${port}\n`));
