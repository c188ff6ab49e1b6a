// Uploads that an upstream ends by its answer: the client hears it, at gateways, sidecars and applications.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { type RunningDataPlane, serviceEntry, startDataPlane, startTcp } from './data-plane.ts';
import { edgeTo } from './edge.ts';

const ROUNDS = 8;
const PIECE = Buffer.alloc(64 << 10, 'x');
const CHUNK = Buffer.concat([Buffer.from('10000\r\n'), PIECE, Buffer.from('\r\n')]);

let answer: string;
let sidecar: RunningDataPlane;
let edge: RunningDataPlane;
const closers: (() => unknown)[] = [];

before(async () => {
  // Reads the head and a little more, answers, and closes on what it has not read: the system answers that with RST.
  const upstream = await startTcp((socket) => {
    socket.once('data', () => {
      socket.pause();
      setTimeout(() => socket.end(answer, () => socket.destroy()), 5);
    });
  });
  const up = serviceEntry('up.example', upstream.port);
  sidecar = await startDataPlane({ appPort: upstream.port, yaml: [up] });
  edge = await startDataPlane({
    role: 'gateway',
    yaml: [up, edgeTo('up.example')],
  });
  closers.push(upstream.close, sidecar.close, edge.close);
});

after(async () => {
  for (const close of closers) await close();
});

/** Uploads without end, as fast as it may; resolves with all that came back. */
function upload(port: number, framing: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1');
    const piece = framing.startsWith('T') ? CHUNK : PIECE;
    const more = (): void => {
      while (!socket.destroyed && socket.writable && socket.write(piece));
    };
    socket.on('drain', more);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (received.endsWith('no!')) socket.destroy();
    });
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.write(`PUT / HTTP/1.1\r\nHost: up.example\r\n${framing}\r\n\r\n`);
    more();
  });
}

for (const [status, text] of [
  [413, 'HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno!'],
  [401, 'HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!'],
] as const) {
  test(`an upstream's ${status} in the middle of an upload reaches the client`, async () => {
    answer = text;
    for (const port of [sidecar.ports.outbound, sidecar.ports.inbound, edge.ports.gateway]) {
      for (const framing of ['Content-Length: 100000000000', 'Transfer-Encoding: chunked']) {
        for (let round = 0; round < ROUNDS; round++) {
          assert.match(await upload(port, framing), new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*no!$`));
        }
      }
    }
  });
}
