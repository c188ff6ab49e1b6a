// Reading into one shared buffer: what is handed out stays as it was, whoever reads next, and the socket behaves as any.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { readDirectly } from '../../../core/transport/direct-socket.ts';
import { type Cleanup, listen } from '../http1/rig.ts';
import { Kept, keepTheirBytes } from './kept.ts';

async function pair(t: Cleanup, server: Server): Promise<{ near: Socket; accepted: Socket }> {
  const waiting = once(server, 'connection');
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [accepted] = (await waiting) as [Socket];
  t.after(async () => void near.destroy());
  return { near, accepted };
}

async function startServer(t: Cleanup): Promise<Server> {
  const server = createServer();
  await listen(server);
  t.after(async () => void server.close());
  return server;
}

test('a connected TCP socket of this Node is read directly, another stream by its events', async (t) => {
  const server = await startServer(t);
  const { near, accepted } = await pair(t, server);
  const kept = new Kept();
  const direct = readDirectly(accepted, kept);
  assert.notEqual(direct, accepted);
  near.write('hello');
  assert.equal(await kept.reach(5), 'hello');
  direct.destroy();

  const [one, other] = duplexPair();
  const fallback = new Kept();
  assert.equal(readDirectly(other as unknown as Socket, fallback), other as unknown as Socket);
  one.write('hello');
  assert.equal(await fallback.reach(5), 'hello');
});

test('chunks of several sockets keep their bytes, small and large', async (t) => {
  const server = await startServer(t);
  const sockets = [await pair(t, server), await pair(t, server), await pair(t, server)];
  const connections = sockets.map(({ near, accepted }) => {
    const kept = new Kept();
    const direct = readDirectly(accepted, kept);
    t.after(async () => void direct.destroy());
    return { kept, send: (text: string) => near.write(text) };
  });
  // Sizes on both sides of every limit: slab, own memory, full reads, and back.
  await keepTheirBytes(connections, [1, 300, 4096, 4097, 20_000, 65_536, 200_000]);
});

test('FIN, pause and resume, closing and the count of the server are those of the socket it replaced', async (t) => {
  const server = await startServer(t);
  const { near, accepted } = await pair(t, server);
  const kept = new Kept();
  const direct = readDirectly(accepted, kept);
  assert.equal(direct.remotePort, near.localPort);
  direct.pause();
  near.write('x'.repeat(1000));
  await new Promise((resolve) => near.write('y', resolve));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(kept.size, 0);
  direct.resume();
  await kept.reach(1001);
  const ended = once(direct, 'end');
  near.end();
  await ended;
  const answer = once(near, 'data');
  const closed = once(direct, 'close');
  direct.end('bye');
  assert.equal(String((await answer)[0]), 'bye');
  await closed;
  // The server counts the connection as gone, or this would never come back.
  await new Promise((resolve) => server.close(resolve));
});
