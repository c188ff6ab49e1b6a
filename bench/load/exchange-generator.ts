// The process that goes on where requests end: `node exchange-generator.ts JSON`, of a `Task`. Messages there and back over WebSocket or
// in streams of gRPC, or handshakes of TLS, each connection or stream one after the other. Prints an `Outcome` as one line of JSON.

import { connect as connectH2 } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Outcome, Task } from './generator.ts';

const UPGRADE =
  'Host: application.bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

let done = 0;
let errors = 0;
const { host, port, traffic, seconds } = JSON.parse(process.argv[2]) as Task;
const { connections, streams, path, as, requestBodyBytes } = traffic;
const started = performance.now();
const until = started + seconds * 1000;

for (let i = 0; i < connections; i++) {
  if (as === 'websocket-messages') websocket();
  else if (as === 'grpc-messages') grpc();
  else handshake(undefined);
}
setTimeout(report, seconds * 1000);

/** A frame, masked with zeros, that comes back as it is. */
function websocket(): void {
  const frame = Buffer.alloc(2 + 4 + requestBodyBytes);
  frame[0] = 0x82;
  frame[1] = 0x80 | requestBodyBytes;
  const socket = connect({ host, port, noDelay: true });
  socket.write(`GET ${path} HTTP/1.1\r\n${UPGRADE}`);
  let head = '';
  let left = 0;
  socket.on('data', (chunk) => {
    if (left === 0) {
      head += chunk.latin1Slice();
      if (!head.includes('\r\n\r\n')) return;
      if (!head.startsWith('HTTP/1.1 101 ')) {
        errors++;
        socket.destroy();
        return;
      }
    } else {
      left -= chunk.length;
      if (left > 0) return;
      done++;
    }
    left = frame.length;
    socket.write(frame);
  });
  socket.on('error', () => errors++);
}

function grpc(): void {
  const message = Buffer.alloc(5 + requestBodyBytes);
  message.writeUInt32BE(requestBodyBytes, 1);
  const session = connectH2(`http://${host}:${port}`);
  session.on('error', () => errors++);
  for (let i = 0; i < streams; i++) {
    const stream = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: false },
    );
    let left = message.length;
    stream.on('error', () => errors++);
    stream.on('response', (head) => {
      if (head[':status'] !== 200 || head['grpc-status'] !== undefined) errors++;
    });
    stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      done++;
      left = message.length;
      stream.write(message);
    });
    stream.write(message);
  }
}

/**
 * The next begins when this one's ticket has come. What is resumed has its ticket already: not every server gives another one then, and
 * the one that there is holds for more than one connection.
 */
function handshake(session: Buffer | undefined): void {
  const socket = connectTls({
    ...{ host, port, session, servername: 'application.bench', ALPNProtocols: ['http/1.1'] },
    ...{ rejectUnauthorized: false, minVersion: 'TLSv1.3', ecdhCurve: 'X25519' },
  });
  let ticket: Buffer | undefined = session;
  const over = (): void => {
    done++;
    socket.end();
  };
  socket.on('secureConnect', () => {
    if (session === undefined) return;
    if (!socket.isSessionReused()) errors++;
    over();
  });
  socket.on('session', (given: Buffer) => {
    if (ticket !== undefined) return;
    ticket = given;
    over();
  });
  socket.on('error', () => errors++);
  socket.resume();
  socket.on('close', () => {
    if (performance.now() < until) handshake(as === 'resumed-handshakes' ? ticket : undefined);
  });
}

function report(): void {
  const outcome: Outcome = {
    requests: done,
    seconds: (performance.now() - started) / 1000,
    errors,
    latenciesMicros: [],
    lateP99Micros: 0,
  };
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
}
