// The peer's process: node node-http2-app.ts PORT ORIGIN

import { type ClientHttp2Session, connect, createServer, type IncomingHttpHeaders } from 'node:http2';

const [port, origin] = process.argv.slice(2);
let session: ClientHttp2Session | null = null;

createServer({ settings: { maxConcurrentStreams: 1000 } })
  .on('sessionError', () => undefined)
  .on('stream', (stream, head) => {
    stream.on('error', () => undefined);
    const upstream = upstreamSession().request(head, { endStream: stream.endAfterHeaders });
    let trailers: IncomingHttpHeaders | null = null;
    upstream.on('error', () => stream.close());
    upstream.on('trailers', (given) => (trailers = given));
    upstream.on('response', (answer) => {
      if (stream.destroyed) return;
      stream.respond(answer, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
      upstream.pipe(stream);
    });
    if (!stream.endAfterHeaders) stream.pipe(upstream);
  })
  .listen(Number(port), '127.0.0.1', 4096);

/** The one that is open. */
function upstreamSession(): ClientHttp2Session {
  if (session === null || session.closed || session.destroyed) session = connect(origin).on('error', () => undefined);
  return session;
}
