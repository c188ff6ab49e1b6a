// A proxy that goes, and clients that send one request after the other on connections that they keep: none of these is lost.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { startDataPlane } from './data-plane.ts';
import { OK, type Scripted, startScripted } from './scripted.ts';

const CLIENTS = 6;
const REQUEST = 'GET / HTTP/1.1\r\nHost: app\r\n\r\n';

let app: Scripted;

before(async () => {
  app = await startScripted(OK);
});

after(() => app.close());

interface Counts {
  answered: number;
  lost: number;
  /** Connections that the proxy said it would close. */
  told: number;
}

/** Asks until nobody listens any more; a connection that is to close is followed by another. */
function client(port: number, counts: Counts): Promise<void> {
  return new Promise((resolve, reject) => {
    const open = (): void => {
      let received = '';
      let waiting = false;
      const socket = connect(port, '127.0.0.1');
      const ask = (): void => {
        received = '';
        waiting = true;
        socket.write(REQUEST);
      };
      socket.on('connect', ask);
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        if (!received.endsWith('ok')) return;
        waiting = false;
        counts.answered++;
        if (/\r\nConnection: close\r\n/.test(received)) {
          counts.told++;
          socket.end();
        } else setImmediate(ask);
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') resolve();
        else if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
      });
      socket.on('close', (failed) => {
        if (waiting) counts.lost++;
        if (!failed || waiting) open();
      });
    };
    open();
  });
}

test('requests that follow each other on kept connections are all answered, and the last of each says so', async () => {
  const mesh = await startDataPlane({ appPort: app.port });
  const counts: Counts = { answered: 0, lost: 0, told: 0 };
  const clients = Array.from({ length: CLIENTS }, () => client(mesh.ports.inbound, counts));
  await mesh.ended(CLIENTS * 10);
  assert.equal(counts.told, 0);
  const drained = mesh.plane.drain();
  await Promise.all(clients);
  await drained;
  assert.equal(counts.lost, 0);
  assert.ok(counts.told >= CLIENTS, `${counts.told} were told`);
  mesh.close();
});

test('connections that are idle, and new ones, are heard for a while when the proxy goes', async () => {
  const mesh = await startDataPlane({ appPort: app.port });
  const ask = async (): Promise<string> => {
    let received = '';
    const socket = connect(mesh.ports.inbound, '127.0.0.1');
    socket.write(REQUEST);
    for await (const chunk of socket) {
      received += chunk;
      if (received.endsWith('ok')) return received;
    }
    return received;
  };
  const idle = connect(mesh.ports.inbound, '127.0.0.1');
  let first = '';
  idle.on('data', (chunk) => (first += chunk));
  idle.write(REQUEST);
  while (!first.endsWith('ok')) await new Promise(setImmediate);
  assert.doesNotMatch(first, /Connection/);
  const drained = mesh.plane.drain();
  for (let i = 0; i < 3; i++) assert.match(await ask(), /\r\nConnection: close\r\n/);
  first = '';
  const closed = new Promise((resolve) => idle.once('end', resolve));
  idle.write(REQUEST);
  await closed;
  assert.match(first, /\r\nConnection: close\r\n[\s\S]*ok$/);
  idle.destroy();
  await drained;
  mesh.close();
});
