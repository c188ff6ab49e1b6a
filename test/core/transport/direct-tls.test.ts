// Sockets in TLS read and written below Node's streams: what arrives is what was sent, whoever is slow, and they end as any.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Server, Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { before, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect, TLSSocket } from 'node:tls';
import { readSecurely, SecureWrites } from '../../../core/transport/direct-tls.ts';
import { enter, leave, Outbox } from '../../../core/transport/outbox.ts';
import { type Pair, webAuthority } from '../../web-certificates.ts';
import { Kept, keepTheirBytes } from './kept.ts';

const NEVER = (): void => {};
let certificate: Pair;
before(async () => {
  certificate = await (await webAuthority()).issue(['a.test']);
});

/** Two ends of one connection, both of them on a socket in TLS that was made as the product makes them. */
async function pair(t: TestContext): Promise<{ near: TLSSocket; far: TLSSocket; raw: Socket }> {
  const server: Server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const below = connectTcp((server.address() as AddressInfo).port, '127.0.0.1');
  await once(below, 'connect');
  const near = connect({ socket: below, rejectUnauthorized: false });
  const [raw] = (await accepted) as [Socket];
  const far = new TLSSocket(raw, { isServer: true, ...certificate });
  for (const socket of [near, far, raw, below]) socket.on('error', NEVER);
  await Promise.all([once(near, 'secureConnect'), once(far, 'secure')]);
  near.allowHalfOpen = true;
  far.allowHalfOpen = true;
  t.after(() => {
    for (const socket of [near, far, raw, below]) socket.destroy();
    server.close();
  });
  return { near, far, raw };
}

async function readAll(socket: TLSSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('the Node that the project pins lets sockets in TLS be read and written below its streams; another stream is not', async (t) => {
  const { near, far } = await pair(t);
  const kept = new Kept();
  assert.equal(readSecurely(near, kept), true);
  const writes = SecureWrites.on(far, NEVER, NEVER);
  assert.notEqual(writes, null);
  assert.equal(writes!.write(Buffer.from('hello'), 5), true);
  assert.equal(await kept.reach(5), 'hello');
  const [stand] = duplexPair();
  for (const other of [stand as unknown as Socket, new Socket()]) {
    assert.equal(readSecurely(other, kept), false);
    assert.equal(SecureWrites.on(other, NEVER, NEVER), null);
  }
});

test('chunks of several sockets in TLS keep their bytes, small and large', async (t) => {
  const sockets = [await pair(t), await pair(t), await pair(t)];
  const connections = sockets.map(({ near, far }) => {
    const kept = new Kept();
    assert.equal(readSecurely(near, kept), true);
    return { kept, send: (text: string) => far.write(text) };
  });
  // On both sides of a slab's piece and of a record.
  await keepTheirBytes(connections, [1, 300, 4096, 4097, 16_384, 16_385, 200_000]);
});

test('nothing is handed over while a socket in TLS is paused, and what waited comes first, then the end', async (t) => {
  const { near, far } = await pair(t);
  const kept = new Kept();
  readSecurely(near, kept);
  far.write('a');
  await kept.reach(1);
  near.pause();
  const sent = ['b'.repeat(40_000), 'c'.repeat(400_000), 'd'];
  for (const text of sent) far.write(text);
  far.end();
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(kept.size, 1);
  let ended = false;
  near.on('end', () => (ended = true));
  near.resume();
  assert.equal(await kept.reach(440_002), ['a', ...sent].join(''));
  if (!ended) await once(near, 'end');
  assert.equal(kept.size, 440_002);
});

test('a receiver that pauses in the middle of what came gets the rest in order', async (t) => {
  const { near, far } = await pair(t);
  const kept = new Kept();
  let paused = 0;
  kept.onChunk = () => {
    near.pause();
    paused++;
    setImmediate(() => near.resume());
  };
  readSecurely(near, kept);
  const sent = Buffer.alloc(300_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
  far.end(sent);
  await once(near, 'end');
  assert.ok(Buffer.concat(kept.chunks).equals(sent));
  assert.ok(paused > 5, `${paused}`);
});

test('what is written while a write is under way leaves behind it, whole and in order, to a slow reader too', async (t) => {
  const { near, far } = await pair(t);
  far.pause();
  let taken = 0;
  const writes = SecureWrites.on(near, () => taken++, NEVER)!;
  const pieces = Array.from({ length: 16 }, (_, i) => Buffer.alloc(1 << 20, i));
  assert.equal(writes.write([pieces[0], pieces[1]], 2 << 20), true);
  for (let i = 2; i < 14; i += 2) assert.equal(writes.write([pieces[i], pieces[i + 1]], 2 << 20), false);
  for (let i = 0; i < 20; i++) await turn();
  assert.ok(writes.queued > 0);
  writes.write(pieces[14], 1 << 20);
  writes.write(pieces[15], 1 << 20);
  writes.end();
  assert.equal(writes.write(Buffer.from('late'), 4), true);
  assert.ok((await readAll(far)).equals(Buffer.concat(pieces)));
  assert.equal(writes.queued, 0);
  assert.ok(taken >= 1);
});

test('memory that was written may be used again at once, and an end waits for what is under way', async (t) => {
  const { near, far } = await pair(t);
  const outbox = new Outbox(near, { onOutboxDrained: NEVER, onOutboxFailed: NEVER }, 64 << 10);
  for (let message = 0; message < 40; message++) {
    enter();
    outbox.append(Buffer.alloc(3000, message));
    outbox.append(Buffer.alloc(message % 3 === 0 ? 20_000 : 2000, message));
    leave();
    if (message % 5 === 0) await turn();
  }
  outbox.end();
  outbox.flush();
  assert.equal(outbox.ended, true);
  outbox.append(Buffer.from('late'));
  outbox.flush();
  const received = await readAll(far);
  const sent = Array.from({ length: 40 }, (_, i) => Buffer.alloc(3000 + (i % 3 === 0 ? 20_000 : 2000), i));
  assert.ok(received.equals(Buffer.concat(sent)));
});

test('a slow peer blocks an outbox in TLS, and is told of when it takes bytes again', async (t) => {
  const { near, far } = await pair(t);
  far.pause();
  const drained = Promise.withResolvers<void>();
  const outbox = new Outbox(near, { onOutboxDrained: drained.resolve, onOutboxFailed: NEVER }, 64 << 10);
  let size = 0;
  const fill = async (): Promise<void> => {
    while (outbox.roomLeft()) {
      outbox.append(Buffer.alloc(60_000));
      outbox.flush();
      size += 60_000;
      await turn();
    }
  };
  await fill();
  assert.ok(outbox.backlog >= 64 << 10);
  far.resume();
  await drained.promise;
  outbox.end();
  outbox.flush();
  let received = 0;
  far.on('data', (chunk: Buffer) => (received += chunk.length));
  await once(far, 'end');
  assert.ok(received <= size);
});

test('a socket in TLS that is closed in the middle of a write tells nobody of it, and takes nothing more', async (t) => {
  const { near, far } = await pair(t);
  far.pause();
  const taken = (): void => assert.fail('nothing was taken');
  const writes = SecureWrites.on(near, taken, () => assert.fail('nobody has left'))!;
  for (let i = 0; i < 4; i++) writes.write(Buffer.alloc(8 << 20), 8 << 20);
  near.destroy();
  writes.write(Buffer.from('late'), 4);
  await once(near, 'close');
  for (let i = 0; i < 5; i++) await turn();
});

test('a peer that resets a connection in TLS while bytes wait is told of once, or closes it', async (t) => {
  const { near, far, raw } = await pair(t);
  far.pause();
  let lost = 0;
  const told = Promise.withResolvers<void>();
  const writes = SecureWrites.on(near, NEVER, () => {
    lost++;
    told.resolve();
  })!;
  for (let i = 0; i < 4; i++) writes.write(Buffer.alloc(8 << 20), 8 << 20);
  const closed = new Promise((resolve) => near.once('close', resolve));
  setImmediate(() => raw.resetAndDestroy());
  await Promise.race([closed, told.promise]);
  writes.write(Buffer.from('late'), 4);
  assert.ok(lost <= 1);
});

for (const when of ['before the write', 'before the end', 'in the middle of a write']) {
  test(`a connection in TLS ends also where its peer has reset it ${when}`, { timeout: 20_000 }, async (t) => {
    const { near, far, raw } = await pair(t);
    far.pause();
    let lost = 0;
    let taken = 0;
    const writes = SecureWrites.on(
      near,
      () => {
        taken++;
        assert.equal(lost, 0, 'nothing is taken by who is lost');
      },
      () => lost++,
    )!;
    const over = new Promise((resolve) => near.once('finish', resolve).once('close', resolve));
    if (when === 'in the middle of a write') {
      for (let i = 0; i < 4; i++) writes.write(Buffer.alloc(8 << 20), 8 << 20);
      await turn();
      writes.end();
      raw.resetAndDestroy();
    } else {
      if (when === 'before the write') raw.resetAndDestroy();
      // The system tells of the reset by this write, and no more by a read.
      writes.write(Buffer.from('late'), 4);
      if (when === 'before the end') raw.resetAndDestroy();
      writes.end();
    }
    await over;
    assert.ok(lost <= 1);
    assert.ok(taken <= 1);
  });
}

test('who has sent his end in TLS still hears what the other has to say', async (t) => {
  const { near, far } = await pair(t);
  const kept = new Kept();
  readSecurely(near, kept);
  const ended = once(near, 'end');
  far.end('question');
  await ended;
  const writes = SecureWrites.on(near, NEVER, NEVER)!;
  writes.write(Buffer.from('ans'), 3);
  writes.write(Buffer.from('wer'), 3);
  writes.end();
  assert.equal(String(await readAll(far)), 'answer');
  assert.equal(await kept.reach(8), 'question');
});
