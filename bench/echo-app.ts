// An upstream that sends back what it is sent, in the messages of an upgraded connection or of a stream of gRPC; to GET /SIZE it answers
// SIZE bytes. `node echo-app.ts PORT KIND SIZE...`

import { createServer } from 'node:http';
import { createServer as createH2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { MESSAGE_BYTES, METHOD } from './upstreams.ts';

const [port, kind, ...sizes] = process.argv.slice(2);
const MOST_STREAMS = 1000;

if (kind === 'websocket') {
  const server = createServer((request, response) => {
    const size = sizeOf(request.url ?? '');
    response.writeHead(size === null ? 404 : 200, { 'content-length': size ?? 0 }).end('x'.repeat(size ?? 0));
  });
  server.on('upgrade', (_request, socket: Socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    // Of the key that the load sends, which is always the same.
    const accept = 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${accept}\r\n\r\n`);
    socket.pipe(socket);
  });
  server.listen(Number(port), '127.0.0.1', 4096);
} else {
  const server = createH2Server({ settings: { maxConcurrentStreams: MOST_STREAMS } });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, head) => {
    stream.on('error', () => undefined);
    const path = String(head[':path']);
    if (head[':method'] === 'POST') {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      if (path === METHOD) stream.resume().on('end', () => stream.end(Buffer.alloc(MESSAGE_BYTES)));
      else stream.pipe(stream);
      return;
    }
    const size = sizeOf(path);
    stream.respond({ ':status': size === null ? 404 : 200 });
    stream.end('x'.repeat(size ?? 0));
  });
  server.listen(Number(port), '127.0.0.1', 4096);
}

function sizeOf(path: string): number | null {
  const size = path.slice(path.lastIndexOf('/') + 1);
  return sizes.includes(size) ? Number(size) : null;
}
