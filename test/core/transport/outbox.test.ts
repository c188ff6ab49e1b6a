// The memory that messages are written into is used again once the system has them, and only then.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
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

test('what callbacks of one turn gather for a connection that many share leaves in one write after them', async (t) => {
  const shared = await pair(t);
  const other = await pair(t);
  const gathering = new Outbox(shared.near, OWNER, 64 << 10);
  const passing = new Outbox(other.near, OWNER, 64 << 10);
  gathering.gathers = true;
  write(gathering, 1);
  // Whose memory is used again would overwrite what waits.
  write(passing, 255);
  write(gathering, 2);
  assert.deepEqual([gathering.written, passing.written], [0, 2 * PIECE]);
  await turn();
  assert.equal(gathering.written, 4 * PIECE);
  const received = await read(shared.far, 4 * PIECE);
  assert.ok(received.every((byte, at) => byte === (at < 2 * PIECE ? 1 : 2)));
});

test('a large piece, which is only lent, takes what was gathered before it along, and so does more than a record', async (t) => {
  const { near, far } = await pair(t);
  const outbox = new Outbox(near, OWNER, 1 << 20);
  outbox.gathers = true;
  write(outbox, 1);
  enter();
  outbox.append(Buffer.alloc(5000, 2));
  leave();
  assert.equal(outbox.written, 2 * PIECE + 5000);
  for (let i = 0; i < 3; i++) write(outbox, 3);
  assert.equal(outbox.written, 8 * PIECE + 5000);
  await turn();
  const received = await read(far, 8 * PIECE + 5000);
  const expected = (at: number): number => (at < 2 * PIECE ? 1 : at < 2 * PIECE + 5000 ? 2 : 3);
  assert.ok(received.every((byte, at) => byte === expected(at)));
});
