// The memory that messages are written into is used again once the system has them, and only then.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { enter, leave, Outbox } from '../../../core/transport/outbox.ts';
import { type Cleanup, listen } from '../http1/rig.ts';

const OWNER = { onOutboxDrained: () => {}, onOutboxFailed: () => {} };
const PIECE = 3000;

async function pair(t: Cleanup): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  await listen(server);
  const accepted = once(server, 'connection');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(near, 'connect');
  const [far] = (await accepted) as [Socket];
  t.after(async () => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}

/** One message of small pieces, as a callback produces it. */
function write(outbox: Outbox, byte: number): void {
  enter();
  outbox.append(Buffer.alloc(PIECE, byte));
  outbox.append(Buffer.alloc(PIECE, byte));
  leave();
}

async function read(far: Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of far.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= size) break;
  }
  return Buffer.concat(chunks);
}

test('messages that a slow peer leaves waiting stay as they were while others are written', async (t) => {
  const slow = await pair(t);
  const quick = await pair(t);
  const waiting = new Outbox(slow.near, OWNER, 64 << 10);
  const passing = new Outbox(quick.near, OWNER, 64 << 10);
  let messages = 0;
  // Until the system takes no more, and a few beyond that.
  for (let beyond = 0; beyond < 20; messages++) {
    write(waiting, messages & 127);
    if (waiting.backlog > 0) beyond++;
  }
  for (let i = 0; i < 200; i++) write(passing, 255);
  const other = await read(quick.far, 400 * PIECE);
  assert.ok(other.every((byte) => byte === 255));
  const received = await read(slow.far, messages * 2 * PIECE);
  assert.equal(received.length, messages * 2 * PIECE);
  const wrong = received.findIndex((byte, at) => byte !== (Math.floor(at / (2 * PIECE)) & 127));
  assert.equal(wrong, -1, `byte ${wrong}`);
});
