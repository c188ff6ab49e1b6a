// What a peer may not send: each has the code that RFC 9113 gives it, and what is wrong with one stream reaches no other.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as f from '../../../core/http2/frames.ts';
import { block, frame, GET, headers, POST, rig, setting, word } from './raw.ts';

const whole = (fields: readonly (readonly [string, string])[]): Buffer => headers(1, fields);
const open = headers(1, POST, false);
const data = (id: number, text: string, flags = 0): Buffer => frame(f.DATA, flags, id, text);
const update = (id: number, size: number): Buffer => frame(f.WINDOW_UPDATE, 0, id, word(size));

const PROTOCOL = [':protocol', 'websocket'] as const;

const CONNECTION: readonly (readonly [what: string, code: string, ...frames: Buffer[]])[] = [
  ['DATA on no stream', 'PROTOCOL_ERROR', data(0, 'x')],
  ['DATA on a stream that was not opened', 'PROTOCOL_ERROR', data(1, 'x')],
  ['HEADERS on no stream', 'PROTOCOL_ERROR', headers(0, GET)],
  ['a stream with an even number', 'PROTOCOL_ERROR', headers(2, GET)],
  ['a stream with a lower number than another', 'PROTOCOL_ERROR', headers(5, GET), headers(3, GET)],
  ['HEADERS of a stream that has ended', 'STREAM_CLOSED', headers(1, GET), headers(1, GET)],
  ['padding longer than its frame', 'PROTOCOL_ERROR', open, frame(f.DATA, f.PADDED, 1, Buffer.of(9, 1, 2))],
  ['padding longer than its head', 'PROTOCOL_ERROR', frame(f.HEADERS, f.PADDED | f.END_HEADERS, 1, Buffer.of(200, 0))],
  ['a frame above the limit', 'FRAME_SIZE_ERROR', open, data(1, 'x'.repeat(f.LARGEST_FRAME + 1))],
  ['a head that cannot be decoded', 'COMPRESSION_ERROR', frame(f.HEADERS, f.END_HEADERS, 1, Buffer.of(0xff))],
  [
    'a field of an entry that is not there',
    'COMPRESSION_ERROR',
    frame(f.HEADERS, f.END_HEADERS, 1, Buffer.of(0xff, 0x40)),
  ],
  ['a table above the limit', 'COMPRESSION_ERROR', frame(f.HEADERS, f.END_HEADERS, 1, Buffer.of(0x3f, 0xe2, 0x1f))],
  [
    'Huffman padding of zeros',
    'COMPRESSION_ERROR',
    frame(f.HEADERS, f.END_HEADERS, 1, Buffer.of(0x00, 0x81, 0x00, 0x00)),
  ],
  ['PRIORITY on no stream', 'PROTOCOL_ERROR', frame(f.PRIORITY, 0, 0, Buffer.alloc(5))],
  [
    'a stream that depends on itself',
    'PROTOCOL_ERROR',
    frame(f.PRIORITY, 0, 1, Buffer.concat([word(1), Buffer.of(1)])),
  ],
  ['RST_STREAM on no stream', 'PROTOCOL_ERROR', frame(f.RST_STREAM, 0, 0, word(8))],
  ['RST_STREAM of a stream that was not opened', 'PROTOCOL_ERROR', frame(f.RST_STREAM, 0, 1, word(8))],
  ['RST_STREAM of another size', 'FRAME_SIZE_ERROR', open, frame(f.RST_STREAM, 0, 1, 'abc')],
  ['SETTINGS on a stream', 'PROTOCOL_ERROR', frame(f.SETTINGS, 0, 1)],
  ['SETTINGS of another size', 'FRAME_SIZE_ERROR', frame(f.SETTINGS, 0, 0, 'abc')],
  ['an acknowledgement that says something', 'FRAME_SIZE_ERROR', frame(f.SETTINGS, f.ACK, 0, setting(3, 1))],
  ['an offer of push that is neither', 'PROTOCOL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.ENABLE_PUSH, 2))],
  ['a window above the limit', 'FLOW_CONTROL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 2 ** 31))],
  ['a frame size below the limit', 'PROTOCOL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.MAX_FRAME_SIZE, 16383))],
  ['a frame size above the limit', 'PROTOCOL_ERROR', frame(f.SETTINGS, 0, 0, setting(f.MAX_FRAME_SIZE, 2 ** 24))],
  ['a promise', 'PROTOCOL_ERROR', frame(f.PUSH_PROMISE, f.END_HEADERS, 1, word(2))],
  ['PING on a stream', 'PROTOCOL_ERROR', frame(f.PING, 0, 1, Buffer.alloc(8))],
  ['PING of another size', 'FRAME_SIZE_ERROR', frame(f.PING, 0, 0, Buffer.alloc(7))],
  ['GOAWAY on a stream', 'PROTOCOL_ERROR', frame(f.GOAWAY, 0, 1, Buffer.alloc(8))],
  ['WINDOW_UPDATE by nothing', 'PROTOCOL_ERROR', update(0, 0)],
  ['WINDOW_UPDATE above the limit', 'FLOW_CONTROL_ERROR', update(0, 0x7fffffff)],
  ['WINDOW_UPDATE of another size', 'FRAME_SIZE_ERROR', frame(f.WINDOW_UPDATE, 0, 0, 'abc')],
  ['WINDOW_UPDATE of a stream that was not opened', 'PROTOCOL_ERROR', update(1, 1)],
  ['CONTINUATION of nothing', 'PROTOCOL_ERROR', frame(f.CONTINUATION, f.END_HEADERS, 1, block(...GET))],
  [
    'another frame within a head',
    'PROTOCOL_ERROR',
    frame(f.HEADERS, 0, 1, block(...GET)),
    frame(f.PING, 0, 0, Buffer.alloc(8)),
  ],
  ['DATA within a head', 'PROTOCOL_ERROR', frame(f.HEADERS, 0, 1, block(...GET)), data(1, 'x')],
  [
    'CONTINUATION of another stream',
    'PROTOCOL_ERROR',
    frame(f.HEADERS, 0, 1, block(...GET)),
    frame(f.CONTINUATION, f.END_HEADERS, 3, ''),
  ],
];

const STREAM: readonly (readonly [what: string, code: string, ...frames: Buffer[]])[] = [
  ['DATA of a request that has ended', 'STREAM_CLOSED', headers(1, POST), data(1, 'x')],
  [
    'more DATA than was announced',
    'PROTOCOL_ERROR',
    headers(1, [...POST, ['content-length', '1']], false),
    data(1, 'xx'),
  ],
  [
    'less DATA than was announced',
    'PROTOCOL_ERROR',
    headers(1, [...POST, ['content-length', '3']], false),
    data(1, 'xx', f.END_STREAM),
  ],
  ['no DATA where some was announced', 'PROTOCOL_ERROR', whole([...POST, ['content-length', '3']])],
  ['a length that is no number', 'PROTOCOL_ERROR', whole([...POST, ['content-length', '+3']])],
  ['two lengths', 'PROTOCOL_ERROR', headers(1, [...POST, ['content-length', '1'], ['content-length', '2']], false)],
  ['WINDOW_UPDATE by nothing', 'PROTOCOL_ERROR', open, update(1, 0)],
  ['WINDOW_UPDATE above the limit', 'FLOW_CONTROL_ERROR', open, update(1, 0x7fffffff)],
  ['PRIORITY of another size', 'FRAME_SIZE_ERROR', open, frame(f.PRIORITY, 0, 1, Buffer.alloc(4))],
  ['trailers that do not end it', 'PROTOCOL_ERROR', open, headers(1, [['x-end', '1']], false)],
  ['a pseudo-header in trailers', 'PROTOCOL_ERROR', open, headers(1, [[':path', '/']])],
  ['a name in capitals', 'PROTOCOL_ERROR', whole([...GET, ['X-One', '1']])],
  ['a name that is no token', 'PROTOCOL_ERROR', whole([...GET, ['x one', '1']])],
  ['no name', 'PROTOCOL_ERROR', whole([...GET, ['', '1']])],
  ['a line end in a value', 'PROTOCOL_ERROR', whole([...GET, ['x-one', 'a\r\nx: b']])],
  ['NUL in a value', 'PROTOCOL_ERROR', whole([...GET, ['x-one', 'a\0b']])],
  ['blanks around a value', 'PROTOCOL_ERROR', whole([...GET, ['x-one', ' a']])],
  ['a blank in a path', 'PROTOCOL_ERROR', whole([...GET.filter(([name]) => name !== ':path'), [':path', '/a b']])],
  [
    'a path that does not begin with a slash',
    'PROTOCOL_ERROR',
    whole([...GET.filter(([name]) => name !== ':path'), [':path', 'a']]),
  ],
  ['an empty path', 'PROTOCOL_ERROR', whole([...GET.filter(([name]) => name !== ':path'), [':path', '']])],
  ['no path', 'PROTOCOL_ERROR', whole(GET.filter(([name]) => name !== ':path'))],
  ['no method', 'PROTOCOL_ERROR', whole(GET.filter(([name]) => name !== ':method'))],
  ['no scheme', 'PROTOCOL_ERROR', whole(GET.filter(([name]) => name !== ':scheme'))],
  ['two methods', 'PROTOCOL_ERROR', whole([...GET, [':method', 'GET']])],
  ['a pseudo-header of answers', 'PROTOCOL_ERROR', whole([...GET, [':status', '200']])],
  ['a pseudo-header that nobody knows', 'PROTOCOL_ERROR', whole([...GET, [':protocol', 'websocket']])],
  ['a pseudo-header after a field', 'PROTOCOL_ERROR', whole([['x-one', '1'], ...GET])],
  ['user information in an authority', 'PROTOCOL_ERROR', whole([...GET.slice(0, 3), [':authority', 'me@a']])],
  ['a host that is not the authority', 'PROTOCOL_ERROR', whole([...GET, ['host', 'b']])],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name) => [`the field ${name}`, 'PROTOCOL_ERROR', whole([...GET, [name, 'x']])] as const,
  ),
  ['te that is not trailers', 'PROTOCOL_ERROR', whole([...GET, ['te', 'gzip']])],
  ['CONNECT with a path', 'PROTOCOL_ERROR', whole([[':method', 'CONNECT'], ...GET.slice(1)])],
  ['a protocol of no CONNECT', 'PROTOCOL_ERROR', headers(1, [...GET, [':protocol', 'websocket']], false)],
  ['two protocols', 'PROTOCOL_ERROR', headers(1, [[':method', 'CONNECT'], ...GET.slice(1), PROTOCOL, PROTOCOL], false)],
  ['a protocol to nowhere', 'PROTOCOL_ERROR', headers(1, [[':method', 'CONNECT'], GET[3], PROTOCOL], false)],
  [
    'a protocol, and nothing to say in it',
    'PROTOCOL_ERROR',
    whole([[':method', 'CONNECT'], ...GET.slice(1), PROTOCOL]),
  ],
];

suite('of a connection', async () => {
  for (const [what, code, ...frames] of CONNECTION) {
    test(`${what} is a ${code}`, async (t) => {
      const server = await rig(t);
      const client = await server.connect();
      client.begin();
      client.send(...frames);
      assert.equal((await client.end()).split(', ').at(-1), `goaway ${code}`);
    });
  }

  test('another preface, or something else than SETTINGS after it, is a PROTOCOL_ERROR', async (t) => {
    const server = await rig(t);
    for (const bytes of [Buffer.from('PRI * HTTP/2.0\r\n\r\nXX'), Buffer.concat([f.PREFACE, headers(1, GET)])]) {
      const client = await server.connect();
      client.send(bytes);
      assert.equal(await client.end(), 'goaway PROTOCOL_ERROR');
    }
    assert.equal(server.asked.length, 0);
  });
});

suite('of a stream', async () => {
  for (const [what, code, ...frames] of STREAM) {
    test(`${what} is a ${code}, and the next one is answered`, async (t) => {
      const server = await rig(t);
      const client = await server.connect();
      client.begin();
      client.send(...frames, headers(101, GET));
      await client.answered(101);
      assert.equal(client.told(), `rst 1 ${code}`);
    });
  }

  test('a body that is longer than its window is a FLOW_CONTROL_ERROR', async (t) => {
    const server = await rig(t, { onAsked: ({ stream }) => stream.pauseReading() });
    const client = await server.connect();
    client.begin();
    client.send(open);
    for (let i = 0; i < 9; i++) client.send(data(1, 'x'.repeat(f.LARGEST_FRAME)));
    client.send(headers(101, GET));
    await client.answered(101);
    assert.equal(client.told(), 'rst 1 FLOW_CONTROL_ERROR');
  });

  test('CONNECT is refused with 403, a head that is too large with 431, and the connection goes on', async (t) => {
    const server = await rig(t);
    const client = await server.connect();
    client.begin();
    client.send(headers(1, [GET[3], [':method', 'CONNECT']].reverse() as never));
    const large = block(...GET, ...Array.from({ length: 101 }, (_, i) => [`x-${i}`, '1'] as const));
    client.send(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 3, large), headers(5, GET));
    await client.answered(5);
    assert.deepEqual([server.malformed, client.told()], [['connect_refused', 'headers_too_large'], '']);
  });
});

test('frames of a stream that was just given up are no fault', async (t) => {
  const server = await rig(t, { onAsked: ({ stream, head }) => head?.method === 'POST' && stream.reset() });
  const client = await server.connect();
  client.begin();
  client.send(open);
  await client.until(() => client.told() !== '');
  client.send(data(1, 'late'), update(1, 5), headers(1, [['x-end', '1']]), headers(3, GET));
  await client.answered(3);
  assert.equal(client.told(), 'rst 1 CANCEL');
});

test('unknown frames and settings are read over, and priorities change nothing', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  client.begin(setting(0xabc, 1));
  client.send(frame(0xbe, 0xff, 0, 'xyz'), frame(f.PRIORITY, 0, 7, Buffer.alloc(5)));
  const weighed = Buffer.concat([word(0), Buffer.of(3), block(...GET)]);
  client.send(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM | f.HAS_PRIORITY, 1, weighed));
  const padded = Buffer.concat([Buffer.of(4), block(...POST), Buffer.alloc(4)]);
  client.send(frame(f.HEADERS, f.END_HEADERS | f.PADDED, 3, padded));
  client.send(frame(f.DATA, f.PADDED | f.END_STREAM, 3, Buffer.from('\x02ab\0\0')));
  await client.answered(1);
  await server.asked[1].over();
  assert.deepEqual([server.asked[1].body, client.told()], ['ab', '']);
});

test('frames are read however they are cut', async (t) => {
  const server = await rig(t);
  const client = await server.connect();
  const bytes = Buffer.concat([
    f.PREFACE,
    frame(f.SETTINGS, 0, 0),
    frame(f.HEADERS, 0, 1, block(...POST)),
    frame(f.CONTINUATION, 0, 1, ''),
    frame(f.CONTINUATION, f.END_HEADERS, 1, block(['x-one', '1'])),
    frame(f.DATA, f.PADDED, 1, Buffer.from('\x01abc\0')),
    data(1, 'def', f.END_STREAM),
    headers(3, GET),
  ]);
  for (const byte of bytes) {
    client.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.answered(3);
  assert.deepEqual([server.asked[0].body, server.asked[0].fields], ['abcdef', [['x-one', '1']]]);
});
