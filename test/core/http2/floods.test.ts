// What a peer may send, but not without end: each has a limit, after which the connection is over, or the stream refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import * as f from '../../../core/http2/frames.ts';
import { http2Counts, MAX_STREAMS } from '../../../core/http2/limits.ts';
import { answerWith } from '../../contract/codec-rig.ts';
import { block, frame, GET, headers, POST, rig, setting, word } from './raw.ts';

const CALM = 'goaway ENHANCE_YOUR_CALM';
const many = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

test('streams that are opened and given up at once end their connection', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  const before = http2Counts.resetFloods;
  client.begin();
  client.send(
    many(3000, (i) => Buffer.concat([headers(2 * i + 1, POST, false), frame(f.RST_STREAM, 0, 2 * i + 1, word(8))])),
  );
  assert.equal(await client.end(), CALM);
  assert.equal(http2Counts.resetFloods, before + 1);
  assert.ok(server.asked.length < 1500);
  // None is left open behind.
  assert.ok(server.asked.every(({ told }) => told.at(-1) === 'reset client_gone'));
});

test('streams that the server is made to give up end their connection, too', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  client.begin();
  client.send(
    many(3000, (i) => Buffer.concat([headers(2 * i + 1, POST, false), frame(f.WINDOW_UPDATE, 0, 2 * i + 1, word(0))])),
  );
  assert.match(await client.end(), /goaway ENHANCE_YOUR_CALM$/);
  assert.ok(server.asked.length < 1500);
});

test('a client that gives up a few of many that are answered is nobody’s enemy', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  client.begin();
  for (let i = 0; i < 400; i++) {
    client.send(headers(4 * i + 1, POST, false), frame(f.RST_STREAM, 0, 4 * i + 1, word(8)), headers(4 * i + 3, GET));
    await client.answered(4 * i + 3);
  }
  assert.equal(client.told(), '');
});

test('a head without end, in many pieces or in empty ones, ends its connection', async (t) => {
  const server = await rig(t);
  const before = http2Counts.headerFloods;
  for (const piece of [Buffer.alloc(0), block(['x-a', 'b'.repeat(8000)])]) {
    const client = await server.connect();
    client.begin();
    client.send(
      frame(f.HEADERS, 0, 1, block(...GET)),
      many(1000, () => frame(f.CONTINUATION, 0, 1, piece)),
    );
    assert.equal(await client.end(), CALM);
  }
  assert.deepEqual([http2Counts.headerFloods, server.asked.length], [before + 2, 0]);
});

for (const [what, one] of [
  ['SETTINGS', frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 65535))],
  ['PING', frame(f.PING, 0, 0, Buffer.alloc(8))],
  ['PRIORITY', frame(f.PRIORITY, 0, 1, Buffer.alloc(5))],
  ['empty DATA', frame(f.DATA, 0, 1)],
  ['WINDOW_UPDATE of a byte', frame(f.WINDOW_UPDATE, 0, 1, word(1))],
  ['unknown frames', frame(0x77, 0, 1, 'x')],
] as const) {
  test(`${what} without end ends its connection`, async (t) => {
    const server = await rig(t);
    const client = await server.connect();
    client.begin();
    client.send(
      headers(1, POST, false),
      many(20_000, () => one),
    );
    assert.equal(await client.end(), CALM);
  });
}

test('a client that asks and never reads is cut off before its answers fill the memory', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  const before = http2Counts.outboundFloods + http2Counts.controlFloods;
  client.socket.pause();
  client.begin();
  while (server.connections.length === 0) await turn();
  const closed = new Promise<void>((resolve) => (server.connections[0].onClosed = resolve));
  const pings = many(1000, () => frame(f.PING, 0, 0, Buffer.alloc(8)));
  for (let i = 0; i < 50 && !client.socket.destroyed; i++) {
    client.send(pings);
    await turn();
  }
  client.socket.resume();
  await Promise.race([closed, client.end()]);
  assert.equal(http2Counts.outboundFloods + http2Counts.controlFloods, before + 1);
});

test('a small head that unpacks to a large one is refused with 431, its memory bounded, and the table stays right', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  client.begin();
  // One entry of 4000 bytes, and then a byte for each copy of it.
  const entry = Buffer.concat([
    Buffer.of(0x40),
    Buffer.of(3),
    Buffer.from('x-a'),
    Buffer.of(127, 0xa1, 0x1e),
    Buffer.alloc(4000, 'b'),
  ]);
  const bomb = Buffer.concat([block(...GET), entry, Buffer.alloc(10_000, 0xbe)]);
  client.send(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 1, bomb));
  client.send(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 3, Buffer.concat([block(...GET), Buffer.of(0xbe)])));
  await client.answered(3);
  assert.deepEqual(server.malformed, ['headers_too_large']);
  assert.deepEqual(server.asked.at(-1)!.fields, [['x-a', 'b'.repeat(4000)]]);
});

test('streams above the limit are refused, and those within it go on', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  client.begin();
  client.send(many(MAX_STREAMS + 3, (i) => headers(2 * i + 1, POST)));
  await client.until(() => client.told().split(', ').length === 3);
  assert.equal(client.told(), [100, 101, 102].map((i) => `rst ${2 * i + 1} REFUSED_STREAM`).join(', '));
  answerWith(server.asked[0].stream);
  await client.answered(1);
  client.send(headers(1001, GET));
  await client.answered(1001);
});

test('a peer that opens no window gets no body, holds up nobody, and gets it when it does', async (t) => {
  const server = await rig(t, {
    onAsked: ({ stream, head }) => head?.method === 'POST' && answerWith(stream, 'y'.repeat(50_000)),
  });
  const client = await server.connect();
  client.begin(setting(f.INITIAL_WINDOW_SIZE, 0));
  client.send(headers(1, POST), headers(3, GET));
  await client.answered(3);
  const got = (): number =>
    client.frames.reduce((sum, { type, id, payload }) => sum + (type === f.DATA && id === 1 ? payload.length : 0), 0);
  assert.equal(got(), 0);
  client.send(frame(f.WINDOW_UPDATE, 0, 1, word(10_000)));
  await client.until(() => got() === 10_000);
  client.send(frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 60_000)));
  await client.until(() => got() === 50_000);
});

test('who does not finish its preface or its head in time is gone', async (t) => {
  const server = await rig(t, { headerTimeoutMs: 60 });
  const early = await server.connect();
  early.send(f.PREFACE.subarray(0, 10));
  const late = await server.connect();
  late.begin();
  late.send(frame(f.HEADERS, 0, 1, block(...GET)));
  assert.deepEqual(await Promise.all([early.end(), late.end()]), ['goaway PROTOCOL_ERROR', 'goaway PROTOCOL_ERROR']);
});

test('a connection on which nothing is open for long is said good-bye to', async (t) => {
  const server = await rig(t, { idleTimeoutMs: 60 });
  const client = await server.connect();
  client.begin();
  assert.equal(await client.end(), 'goaway NO_ERROR');
});
