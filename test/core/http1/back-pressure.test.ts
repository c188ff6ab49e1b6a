// Large bodies through both codecs with a slow reader at the end: they arrive whole, and what is buffered on the way
// stays small.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Timers } from '../../../core/timers.ts';
import { Relay } from './relay.ts';
import { type Cleanup, listen, Peer } from './rig.ts';

const SIZE = 64 << 20;
const END = 'end of the body!';
const PIECE = Buffer.alloc(64 << 10, 'abcdefghijklmnop');
/** Kernel buffers on four sockets, and a few pieces in flight; far from 64 MiB. */
const MOST_AHEAD = 24 << 20;

interface Sides {
  readonly client: Socket;
  readonly upstream: Socket;
}

async function joined(t: Cleanup): Promise<Sides> {
  const timers = new Timers();
  const accepted = Promise.withResolvers<Socket>();
  const upstream = createServer(accepted.resolve);
  await listen(upstream);
  const relay = new Relay((upstream.address() as AddressInfo).port, timers);
  await listen(relay.server);
  const peer = await Peer.connect(t, (relay.server.address() as AddressInfo).port);
  peer.socket.removeAllListeners('data');
  peer.send('GET / HTTP/1.1\r\nHost: a\r\nX-Warm: up\r\n\r\n');
  const socket = await accepted.promise;
  const [head] = await once(socket, 'data');
  assert.match(String(head), /^GET \/ HTTP\/1.1\r\nHost: a\r\nX-Warm: up\r\n\r\n$/);
  socket.write('HTTP/1.1 204 No\r\n\r\n');
  await once(peer.socket, 'data');
  t.after(async () => {
    socket.destroy();
    await relay.stop();
    await new Promise((resolve) => upstream.close(resolve));
    timers.stop();
  });
  return { client: peer.socket, upstream: socket };
}

/** Sends SIZE bytes in the given framing, as fast as the other side lets it. */
async function send(socket: Socket, chunked: boolean, progress: { sent: number }): Promise<void> {
  const piece = chunked
    ? Buffer.concat([Buffer.from(`${PIECE.length.toString(16)}\r\n`), PIECE, Buffer.from('\r\n')])
    : PIECE;
  for (let sent = 0; sent < SIZE - PIECE.length; sent += PIECE.length) {
    progress.sent = sent + PIECE.length;
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  const last = Buffer.from(PIECE);
  last.write(END, PIECE.length - END.length);
  if (chunked) socket.write(`${last.length.toString(16)}\r\n${last}\r\n0\r\nX-End: 1\r\n\r\n`);
  else socket.write(last);
}

/** Reads what `send` sent, in small sips at first, and says how far the sender was ahead at the worst moment. */
async function sip(socket: Socket, progress: { sent: number }, chunked: boolean): Promise<number> {
  const last = chunked ? `${END}\r\n0\r\nX-End: 1\r\n\r\n` : END;
  let received = 0;
  let ahead = 0;
  let tail = '';
  let sips = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received += chunk.length;
    ahead = Math.max(ahead, progress.sent - received);
    tail = (tail + chunk.subarray(-64).latin1Slice()).slice(-64);
    if (tail.endsWith(last)) break;
    // The sender has all the time to run ahead if anything lets it.
    if (sips++ < 30) await delay(5);
  }
  // Beside the body: the head, and the lines of chunks.
  assert.ok(received > SIZE && received < SIZE + (chunked ? 1 << 20 : 200), `${received} bytes`);
  return ahead;
}

for (const chunked of [false, true]) {
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${SIZE}`;
  const how = chunked ? 'in chunks' : 'by length';

  test(`64 MiB of answer ${how} reach a slow client whole, and the upstream waits for it`, async (t) => {
    const { client, upstream } = await joined(t);
    client.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(upstream, 'data');
    upstream.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
    const progress = { sent: 0 };
    const before = process.memoryUsage().rss;
    const sending = send(upstream, chunked, progress);
    const ahead = await sip(client, progress, chunked);
    await sending;
    assert.ok(ahead < MOST_AHEAD, `${ahead} bytes ahead`);
    assert.ok(process.memoryUsage().rss - before < 100 << 20, 'memory stays flat');
  });

  test(`64 MiB of request ${how} reach a slow upstream whole, and the client waits for it`, async (t) => {
    const { client, upstream } = await joined(t);
    const progress = { sent: 0 };
    const before = process.memoryUsage().rss;
    client.write(`POST /large HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
    const sending = send(client, chunked, progress);
    const ahead = await sip(upstream, progress, chunked);
    await sending;
    assert.ok(ahead < MOST_AHEAD, `${ahead} bytes ahead`);
    assert.ok(process.memoryUsage().rss - before < 100 << 20, 'memory stays flat');
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const [answer] = await once(client, 'data');
    assert.match(String(answer), /\r\n\r\nok$/);
  });
}
