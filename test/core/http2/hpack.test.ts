import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { refused } from '../../../core/http1/encoder.ts';
import { headFacts, readRequest } from '../../../core/http2/heads.ts';
import { fieldLines, HpackDecoder } from '../../../core/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../../core/http2/hpack-encoder.ts';

const LIMITS = { maxHeadBytes: 60 << 10, maxFields: 100 };

function decoded(decoder: HpackDecoder, hex: string | Buffer): string[] | null {
  const bytes = typeof hex === 'string' ? Buffer.from(hex.replaceAll(' ', ''), 'hex') : hex;
  if (!decoder.decode(bytes, 0, bytes.length)) return null;
  const { spans, bytes: lines, count } = fieldLines;
  return Array.from({ length: count }, (_, i) => {
    const [name, nameLength, value, length] = spans.subarray(4 * i, 4 * i + 4);
    return `${lines.latin1Slice(name, name + nameLength)}: ${lines.latin1Slice(value, value + length)}`;
  });
}

suite('the examples of RFC 7541, appendix C', () => {
  const REQUESTS = [
    [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
    [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
    [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
  ];

  test('C.2: each representation', () => {
    const decoder = new HpackDecoder(LIMITS);
    assert.deepEqual(decoded(decoder, '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), [
      'custom-key: custom-header',
    ]);
    assert.deepEqual(decoded(decoder, '040c 2f73 616d 706c 652f 7061 7468'), [':path: /sample/path']);
    assert.deepEqual(decoded(decoder, '1008 7061 7373 776f 7264 0673 6563 7265 74'), ['password: secret']);
    assert.equal(fieldLines.never[0], 1);
    assert.deepEqual(decoded(decoder, '82'), [':method: GET']);
  });

  test('C.3: requests, one after the other', () => {
    const decoder = new HpackDecoder(LIMITS);
    assert.deepEqual(decoded(decoder, '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'), REQUESTS[0]);
    assert.deepEqual(decoded(decoder, '8286 84be 5808 6e6f 2d63 6163 6865'), REQUESTS[1]);
    assert.deepEqual(
      decoded(decoder, '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'),
      REQUESTS[2],
    );
  });

  test('C.4: the same in Huffman’s code', () => {
    const decoder = new HpackDecoder(LIMITS);
    assert.deepEqual(decoded(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), REQUESTS[0]);
    assert.deepEqual(decoded(decoder, '8286 84be 5886 a8eb 1064 9cbf'), REQUESTS[1]);
    assert.deepEqual(decoded(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'), REQUESTS[2]);
  });
});

test('what is no block is refused: bad indexes, numbers without end, texts that are cut, tables that are too large', () => {
  for (const hex of [
    '80',
    'be',
    'ff ff ff ff ff ff',
    '40',
    '40 05 61',
    '3f e2 1f',
    '82 20',
    '00 01 61 81 00',
    '00 01 61 84 ff ff ff ff',
  ]) {
    assert.equal(decoded(new HpackDecoder(LIMITS), hex), null, hex);
  }
});

test('heads arrive as they were, time after time, and shorter from the third on', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(LIMITS);
  const head = Head.request('PUT', 'reviews.example', '/a?b=c', [
    ['X-One', '1'],
    ['user-agent', 'curl/8'],
    ['x-long', 'v'.repeat(600)],
  ]);
  const sizes = [0, 1, 2, 3].map(() => {
    const b = Buffer.alloc(encoder.size(head));
    const end = encoder.request(b, 0, head, 12);
    assert.deepEqual(decoded(decoder, b.subarray(0, end)), [
      ':method: PUT',
      ':scheme: http',
      ':authority: reviews.example',
      ':path: /a?b=c',
      'x-one: 1',
      'user-agent: curl/8',
      `x-long: ${'v'.repeat(600)}`,
      'content-length: 12',
    ]);
    return end;
  });
  assert.ok(sizes[2] < sizes[0] / 1.05 && sizes[3] === sizes[2]);
});

test('a table that a peer makes smaller, or larger again, stays the same at both ends', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(LIMITS);
  const sizes = [4096, 0, 100, 4096, 64, 8000];
  for (let i = 0; i < 3000; i++) {
    if (i % 50 === 0) {
      encoder.limit(sizes[(i / 50) % sizes.length]);
      if (i % 100 === 0) encoder.limit(sizes[(i / 50 + 1) % sizes.length]);
    }
    const fields = Array.from({ length: 1 + (i % 5) }, (_, k): [string, string] => [
      `x-${(i * 7 + k) % 40}`,
      `v${(i * 3) % 17}`,
    ]);
    const head = Head.response(200 + (i % 3), fields);
    const b = Buffer.alloc(encoder.size(head));
    const said = decoded(decoder, b.subarray(0, encoder.response(b, 0, head, -1)));
    assert.deepEqual(said, [`:status: ${200 + (i % 3)}`, ...fields.map(([name, value]) => `${name}: ${value}`)]);
  }
});

test('what must not be compressed is not, also when it only passes', () => {
  const decoder = new HpackDecoder(LIMITS);
  const block = Buffer.concat([
    Buffer.from('828684', 'hex'),
    Buffer.from('\x41\x01a\x10\x03x-s\x05token\x00\x03x-t\x04open', 'latin1'),
  ]);
  assert.ok(decoder.decode(block, 0, block.length) && readRequest(true));
  const head = headFacts.head!;
  head.add('authorization', 'Bearer 1');
  head.add('cookie', 'a=1');
  const encoder = new HpackEncoder();
  for (let i = 0; i < 3; i++) {
    const b = Buffer.alloc(encoder.size(head));
    const end = encoder.request(b, 0, head, -1);
    decoded(new HpackDecoder(LIMITS), i === 0 ? b.subarray(0, end) : '82');
    const text = b.latin1Slice(0, end);
    for (const secret of ['\x10\x03x-s\x05token', '\x08Bearer 1', '\x03a=1']) assert.ok(text.includes(secret), secret);
  }
});

test('a field that may not be written is left out, and a path or an authority that may not, refuses the head', () => {
  const encoder = new HpackEncoder();
  const before = refused.fields;
  const head = Head.request('GET', 'a', '/');
  head.added.push('x one', '1', 'x-two', 'a\r\nb', 'connection', 'close', 'x-three', '\u{100}', 'x-four', ' kept ');
  const b = Buffer.alloc(1000);
  const said = decoded(new HpackDecoder(LIMITS), b.subarray(0, encoder.request(b, 0, head, -1)));
  assert.deepEqual([said?.slice(4), refused.fields - before], [['x-four: kept'], 4]);
  head.newPath = '/a b';
  assert.equal(encoder.request(b, 0, head, -1), -1);
  head.newPath = '/';
  head.newAuthority = 'a/b';
  assert.equal(encoder.request(b, 0, head, -1), -1);
});
