// What an upstream may not send: each has the code that RFC 9113 gives it, is counted and told, and fails no request but its own.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ClientConnection } from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import * as f from '../../../core/http2/frames.ts';
import { http2Counts, MAX_INTERIM } from '../../../core/http2/limits.ts';
import { until } from '../../until.ts';
import { Recorded } from '../http1/rig.ts';
import { block, frame, headers, setting, upstreamRig, word } from './raw.ts';

const OK = [[':status', '200']] as const;
const SETTLED = frame(f.SETTINGS, 0, 0);
const data = (id: number, text: string, flags = 0): Buffer => frame(f.DATA, flags, id, text);
const update = (id: number, size: number): Buffer => frame(f.WINDOW_UPDATE, 0, id, word(size));
const half = headers(1, OK, false);
const many = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

function ask(client: ClientConnection, method = 'GET'): Recorded {
  const heard = new Recorded();
  client.open(heard).writeHead(Head.request(method, 'a', '/'), true);
  return heard;
}

const CONNECTION: readonly (readonly [what: string, code: string, ...frames: Buffer[]])[] = [
  ['something else than SETTINGS first', 'PROTOCOL_ERROR', half],
  ['DATA on no stream', 'PROTOCOL_ERROR', SETTLED, data(0, 'x')],
  ['DATA on a stream that was not opened', 'PROTOCOL_ERROR', SETTLED, data(9, 'x')],
  ['an answer to nothing', 'PROTOCOL_ERROR', SETTLED, headers(9, OK)],
  ['a stream of its own', 'PROTOCOL_ERROR', SETTLED, headers(2, OK)],
  ['an answer after its end', 'STREAM_CLOSED', SETTLED, headers(3, OK), headers(3, OK)],
  ['a promise', 'PROTOCOL_ERROR', SETTLED, frame(f.PUSH_PROMISE, f.END_HEADERS, 1, word(2))],
  ['an offer to take promises', 'PROTOCOL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.ENABLE_PUSH, 1))],
  ['a window above the limit', 'FLOW_CONTROL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 2 ** 31))],
  ['a frame above the limit', 'FRAME_SIZE_ERROR', SETTLED, half, data(1, 'x'.repeat(f.LARGEST_FRAME + 1))],
  ['padding longer than its frame', 'PROTOCOL_ERROR', SETTLED, half, frame(f.DATA, f.PADDED, 1, Buffer.of(9, 1))],
  ['a head that cannot be decoded', 'COMPRESSION_ERROR', SETTLED, frame(f.HEADERS, f.END_HEADERS, 1, Buffer.of(0xff))],
  ['RST_STREAM of a stream that was not opened', 'PROTOCOL_ERROR', SETTLED, frame(f.RST_STREAM, 0, 9, word(8))],
  ['PING of another size', 'FRAME_SIZE_ERROR', SETTLED, frame(f.PING, 0, 0, 'abc')],
  ['GOAWAY on a stream', 'PROTOCOL_ERROR', SETTLED, frame(f.GOAWAY, 0, 1, Buffer.alloc(8))],
  ['WINDOW_UPDATE by nothing', 'PROTOCOL_ERROR', SETTLED, update(0, 0)],
  ['WINDOW_UPDATE above the limit', 'FLOW_CONTROL_ERROR', SETTLED, update(0, 0x7fffffff)],
  ['CONTINUATION of nothing', 'PROTOCOL_ERROR', SETTLED, frame(f.CONTINUATION, f.END_HEADERS, 1, block(...OK))],
  ['DATA within a head', 'PROTOCOL_ERROR', SETTLED, frame(f.HEADERS, 0, 1, block(...OK)), data(1, 'x')],
];

const STREAM: readonly (readonly [what: string, code: string, ...frames: Buffer[]])[] = [
  ['DATA before its head', 'PROTOCOL_ERROR', data(1, 'x')],
  [
    'more DATA than was announced',
    'PROTOCOL_ERROR',
    headers(1, [...OK, ['content-length', '1']], false),
    data(1, 'xx'),
  ],
  [
    'less DATA than was announced',
    'PROTOCOL_ERROR',
    headers(1, [...OK, ['content-length', '3']], false),
    data(1, 'x', 1),
  ],
  ['a length that is no number', 'PROTOCOL_ERROR', headers(1, [...OK, ['content-length', '+3']], false)],
  ['WINDOW_UPDATE by nothing', 'PROTOCOL_ERROR', update(1, 0)],
  ['WINDOW_UPDATE above the limit', 'FLOW_CONTROL_ERROR', update(1, 0x7fffffff)],
  ['PRIORITY of another size', 'FRAME_SIZE_ERROR', frame(f.PRIORITY, 0, 1, Buffer.alloc(4))],
  ['trailers that do not end it', 'PROTOCOL_ERROR', half, headers(1, [['x-end', '1']], false)],
  ['a pseudo-header in trailers', 'PROTOCOL_ERROR', half, headers(1, OK)],
  ['no status', 'PROTOCOL_ERROR', headers(1, [['x-one', '1']])],
  ['two statuses', 'PROTOCOL_ERROR', headers(1, [...OK, ...OK])],
  ['a status that is none', 'PROTOCOL_ERROR', headers(1, [[':status', '2000']])],
  ['a change of protocols', 'PROTOCOL_ERROR', headers(1, [[':status', '101']], false)],
  ['an interim answer that is all', 'PROTOCOL_ERROR', headers(1, [[':status', '103']])],
  [
    'interim answers without end',
    'PROTOCOL_ERROR',
    many(MAX_INTERIM + 1, () => headers(1, [[':status', '103']], false)),
  ],
  ['a pseudo-header of requests', 'PROTOCOL_ERROR', headers(1, [...OK, [':path', '/']])],
  ['a name in capitals', 'PROTOCOL_ERROR', headers(1, [...OK, ['X-One', '1']])],
  ['a line end in a value', 'PROTOCOL_ERROR', headers(1, [...OK, ['x-one', 'a\r\nx: b']])],
  ['a field of connections', 'PROTOCOL_ERROR', headers(1, [...OK, ['connection', 'close']])],
];

suite('of a connection', () => {
  for (const [what, code, ...frames] of CONNECTION) {
    test(`${what} is a ${code}, which is counted and told`, async (t) => {
      const { client, upstream, told } = await upstreamRig(t);
      const before = http2Counts.protocolErrors;
      const asked = [ask(client), ask(client)];
      await upstream.until((all) => all.some(({ type, id }) => type === f.HEADERS && id === 3));
      upstream.send(...frames);
      assert.equal((await upstream.end()).split(', ').at(-1), `goaway ${code}`);
      assert.equal(asked[0].reset, 'protocol_error');
      assert.equal(http2Counts.protocolErrors, before + 1);
      assert.match(told.at(-1)!, new RegExp(`^the HTTP/2 connection to 127\\.0\\.0\\.1:\\d+ ends with ${code}$`));
    });
  }
});

suite('of a stream', () => {
  for (const [what, code, ...frames] of STREAM) {
    test(`${what} is a ${code}, which is counted and told, and the next one is answered`, async (t) => {
      const { client, upstream, told } = await upstreamRig(t);
      const before = http2Counts.streamErrors;
      const [asked, other] = [ask(client, 'POST'), ask(client)];
      await upstream.until((all) => all.some(({ type, id }) => type === f.HEADERS && id === 3));
      upstream.send(SETTLED, ...frames, headers(3, OK));
      await until('the other answer', () => other.ended);
      assert.equal(asked.reset, 'protocol_error');
      await upstream.until(() => upstream.told() !== '');
      assert.equal(upstream.told(), `rst 1 ${code}`);
      assert.equal(http2Counts.streamErrors, before + 1);
      assert.match(told.join(), new RegExp(`^stream 1 of the HTTP/2 connection to \\S+ is reset with ${code}$`));
    });
  }

  test('DATA above the window of a reader that takes nothing is a FLOW_CONTROL_ERROR', async (t) => {
    const { client, upstream } = await upstreamRig(t);
    const heard = new Recorded();
    const stream = client.open(heard);
    stream.writeHead(Head.request('GET', 'a', '/'), true);
    stream.pauseReading();
    const other = ask(client);
    upstream.send(
      SETTLED,
      half,
      many(9, () => data(1, 'x'.repeat(f.LARGEST_FRAME))),
      headers(3, OK),
    );
    await until('the other answer', () => other.ended);
    assert.equal(heard.reset, 'protocol_error');
    assert.equal(upstream.told(), 'rst 1 FLOW_CONTROL_ERROR');
  });
});

suite('without end', () => {
  for (const [what, one] of [
    ['SETTINGS', frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 65535))],
    ['PING', frame(f.PING, 0, 0, Buffer.alloc(8))],
    ['PRIORITY', frame(f.PRIORITY, 0, 1, Buffer.alloc(5))],
    ['empty DATA', data(1, '')],
    ['WINDOW_UPDATE of a byte', update(1, 1)],
    ['unknown frames', frame(0x77, 0, 1, 'x')],
  ] as const) {
    test(`${what} ends its connection`, async (t) => {
      const { client, upstream, told } = await upstreamRig(t);
      const before = http2Counts.controlFloods;
      const asked = ask(client);
      await upstream.until((all) => all.some(({ type }) => type === f.HEADERS));
      upstream.send(
        SETTLED,
        half,
        many(20_000, () => one),
      );
      assert.equal(await upstream.end(), 'goaway ENHANCE_YOUR_CALM');
      assert.deepEqual([asked.reset, http2Counts.controlFloods], ['protocol_error', before + 1]);
      assert.match(told.join(), /ends with ENHANCE_YOUR_CALM$/);
    });
  }

  test('a head ends its connection', async (t) => {
    const { client, upstream } = await upstreamRig(t);
    const before = http2Counts.headerFloods;
    const asked = ask(client);
    await upstream.until((all) => all.some(({ type }) => type === f.HEADERS));
    upstream.send(
      SETTLED,
      frame(f.HEADERS, 0, 1, block(...OK)),
      many(1000, () => frame(f.CONTINUATION, 0, 1)),
    );
    assert.equal(await upstream.end(), 'goaway ENHANCE_YOUR_CALM');
    assert.deepEqual([asked.reset, http2Counts.headerFloods], ['protocol_error', before + 1]);
  });

  test('a small head that unpacks to a large one fails its request alone, its memory bounded', async (t) => {
    const { client, upstream } = await upstreamRig(t);
    const [asked, other] = [ask(client), ask(client)];
    const entry = [Buffer.of(0x40, 3), Buffer.from('x-a'), Buffer.of(127, 0xa1, 0x1e), Buffer.alloc(4000, 'b')];
    const bomb = Buffer.concat([block(...OK), ...entry, Buffer.alloc(10_000, 0xbe)]);
    upstream.send(SETTLED, frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 1, bomb));
    upstream.send(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 3, Buffer.concat([block(...OK), Buffer.of(0xbe)])));
    await until('the other answer', () => other.ended);
    assert.equal(asked.reset, 'upstream_headers_too_large');
    assert.deepEqual(other.fields, [['x-a', 'b'.repeat(4000)]]);
  });
});

test('an upstream that makes us give up stream after stream loses its connection, others would be served by another', async (t) => {
  const { client, upstream } = await upstreamRig(t);
  const before = http2Counts.resetFloods;
  upstream.send(SETTLED);
  let given = 0;
  while (!upstream.closed && given < 3000) {
    const asked = Array.from({ length: Math.min(100, client.capacity) }, () => ask(client));
    if (asked.length === 0) break;
    const from = 2 * given + 1;
    given += asked.length;
    upstream.send(many(asked.length, (i) => update(from + 2 * i, 0)));
    await until('all of them are over', () => asked.every(({ reset }) => reset !== null));
  }
  assert.match(await upstream.end(), /goaway ENHANCE_YOUR_CALM$/);
  assert.ok(given < 1500);
  assert.equal(http2Counts.resetFloods, before + 1);
});

test('an upstream that opens no window, or never reads, holds no more of a body than one window and blocks no other', async (t) => {
  const { client, upstream } = await upstreamRig(t);
  upstream.send(frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 0)));
  await upstream.until((all) => all.some(({ type, flags }) => type === f.SETTINGS && (flags & f.ACK) !== 0));
  const heard = new Recorded();
  const stream = client.open(heard);
  const head = Head.request('POST', 'a', '/');
  head.contentLength = -1;
  stream.writeHead(head, false);
  assert.equal(stream.writeData(Buffer.alloc(16 << 10), false), false, 'whoever sends the body is held');
  const other = ask(client);
  upstream.send(headers(3, OK));
  await until('the other answer', () => other.ended);
  assert.ok(upstream.frames.every(({ type }) => type !== f.DATA));
  let resumed = 0;
  heard.onWritableHook = () => resumed++;
  upstream.send(update(1, 64 << 10));
  await until('it goes on', () => resumed > 0);
  for (let i = 0; i < 4; i++) await turn();
  const got = upstream.frames.reduce((sum, { type, payload }) => sum + (type === f.DATA ? payload.length : 0), 0);
  assert.equal(got, 16 << 10);
});

test('of streams above the last that it takes nothing was done, and the others are answered', async (t) => {
  const { client, upstream } = await upstreamRig(t);
  const asked = [ask(client), ask(client), ask(client)];
  await upstream.until((all) => all.some(({ type, id }) => type === f.HEADERS && id === 5));
  upstream.send(SETTLED, frame(f.GOAWAY, 0, 0, Buffer.concat([word(1), word(0)])));
  await until('two are refused', () => asked[2].reset !== null);
  assert.deepEqual(
    asked.map(({ reset }) => reset),
    [null, 'refused_stream', 'refused_stream'],
  );
  assert.equal(client.capacity, 0);
  upstream.send(headers(1, OK));
  await until('the answer', () => asked[0].ended);
  await upstream.end();
});
