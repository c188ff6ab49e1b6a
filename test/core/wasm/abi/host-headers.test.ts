import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { FieldName, Head } from '../../../../core/http/head.ts';
import { decodePairs, encodePairs, pairsSize } from '../../../../core/wasm/abi/pairs.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { TestStream } from '../harness.ts';

const REQUEST = 0;
const REQUEST_TRAILERS = 1;
const RESPONSE = 2;
const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const INVALID_MEMORY_ACCESS = 6;

/** A head as the codec makes it: fields lie in the bytes that were received. */
function received(text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  const spans: number[] = [];
  let at = 0;
  for (const line of text.split('\r\n').slice(0, -1)) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trimStart();
    spans.push(at, colon, at + line.length - value.length, value.length);
    at += line.length + 2;
  }
  const head = new Head(bytes, spans);
  head.method = 'GET';
  head.newPath = '/a?b';
  head.newAuthority = 'reviews:9080';
  return head;
}

function callsFor(text: string, abi = '0_2_1'): Calls {
  return new Calls(guest({ abi }), new TestStream(received(text)));
}

describe('reading', () => {
  test('a received header is found without regard to case and copied', () => {
    const calls = callsFor('User-Agent: curl/8\r\nX-A: 1\r\n');
    assert.equal(calls.header(REQUEST, 'user-agent'), 'curl/8');
    assert.equal(calls.header(REQUEST, 'X-a'), '1');
    assert.equal(calls.header(REQUEST, 'user-agen'), NOT_FOUND);
  });

  test('a value longer than the memory that is written by hand arrives whole', () => {
    const value = 'x'.repeat(5000);
    const calls = callsFor(`X-Long: ${value}\r\n`);
    assert.equal(calls.header(REQUEST, 'x-long'), value);
    calls.stream.requestHead.add('x-added', value);
    assert.equal(calls.header(REQUEST, 'x-added'), value);
  });

  test('an empty value is there, and is no memory', () => {
    const calls = callsFor('X-Empty: \r\n');
    assert.equal(calls.header(REQUEST, 'x-empty'), '');
    assert.equal(calls.u32(), 0);
  });

  test('a repeated header is one value; cookies are joined by semicolons, set-cookie is its first', () => {
    const calls = callsFor('X-A: 1\r\nCookie: a=1\r\nx-a: 2\r\ncookie: b=2\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n');
    calls.stream.requestHead.add('X-A', '3');
    assert.equal(calls.header(REQUEST, 'x-a'), '1, 2, 3');
    assert.equal(calls.header(REQUEST, 'cookie'), 'a=1; b=2');
    assert.equal(calls.header(REQUEST, 'set-cookie'), 'c');
  });

  test('pseudo-headers, host and content-length are in the map', () => {
    const calls = callsFor('Accept: */*\r\n');
    calls.stream.requestHead.contentLength = 17;
    assert.equal(calls.header(REQUEST, ':path'), '/a?b');
    assert.equal(calls.header(REQUEST, ':method'), 'GET');
    assert.equal(calls.header(REQUEST, ':authority'), 'reviews:9080');
    assert.equal(calls.header(REQUEST, 'host'), 'reviews:9080');
    assert.equal(calls.header(REQUEST, ':scheme'), 'http');
    assert.equal(calls.header(REQUEST, 'content-length'), '17');
    assert.equal(calls.header(REQUEST, ':status'), NOT_FOUND);
    assert.equal(calls.header(REQUEST, ':nonsense'), NOT_FOUND);
    calls.stream.responseHead = Head.response(404);
    assert.equal(calls.header(RESPONSE, ':status'), '404');
    assert.equal(calls.header(RESPONSE, ':path'), NOT_FOUND);
  });

  test('a missing header is NOT_FOUND, and an empty value in 0.1.0', () => {
    assert.equal(callsFor('').header(REQUEST, 'x'), NOT_FOUND);
    assert.equal(callsFor('', '0_1_0').header(REQUEST, 'x'), '');
    assert.equal(callsFor('', '0_2_0').header(REQUEST, 'x'), NOT_FOUND);
  });

  test('a map that this phase has not, or that does not exist, is as if it were empty', () => {
    const calls = callsFor('A: 1\r\n');
    for (const map of [RESPONSE, REQUEST_TRAILERS, 3, 4, 6, 99, -1]) {
      assert.equal(calls.header(map, 'a'), NOT_FOUND);
      assert.equal(calls.env('proxy_get_header_map_pairs', map, ...calls.out), OK);
      assert.equal(calls.given(), '');
      assert.equal(calls.env('proxy_get_header_map_size', map, 64), OK);
      assert.equal(calls.u32(), 0);
    }
  });

  test('all pairs, in the order of the message, with lower-case names', () => {
    const calls = callsFor('User-Agent: curl\r\nX-B: 2\r\n');
    calls.stream.requestHead.remove(new FieldName('x-b'));
    calls.stream.requestHead.add('X-C', '3');
    assert.equal(calls.env('proxy_get_header_map_pairs', REQUEST, ...calls.out), OK);
    assert.deepEqual(decodePairs(calls.givenBytes()), [
      [':authority', 'reviews:9080'],
      [':path', '/a?b'],
      [':method', 'GET'],
      [':scheme', 'http'],
      ['user-agent', 'curl'],
      ['x-c', '3'],
    ]);
    const size = calls.givenBytes().length;
    assert.equal(calls.env('proxy_get_header_map_size', REQUEST, 64), OK);
    assert.equal(calls.u32(), size);
  });

  test('trailers have no pseudo-headers and no content-length', () => {
    const calls = callsFor('');
    calls.stream.requestTrailers = Head.response(0, [['grpc-status', '0']]);
    assert.equal(calls.env('proxy_get_header_map_pairs', REQUEST_TRAILERS, ...calls.out), OK);
    assert.deepEqual(decodePairs(calls.givenBytes()), [['grpc-status', '0']]);
    assert.equal(calls.header(REQUEST_TRAILERS, ':path'), NOT_FOUND);
  });
});

describe('writing', () => {
  function write(calls: Calls, name: string, key: string, value: string, map = REQUEST): number | undefined {
    return calls.env(name, map, ...calls.put(key), ...calls.put(value));
  }

  test('replace leaves one value of all that there were, whatever their case', () => {
    const calls = callsFor('X-A: 1\r\nx-a: 2\r\n');
    calls.stream.requestHead.add('X-a', '3');
    assert.equal(write(calls, 'proxy_replace_header_map_value', 'X-A', 'new'), OK);
    assert.equal(calls.stream.requestHead.joined(new FieldName('x-a')), 'new');
  });

  test('add keeps what is there, remove takes all of it, and removing what is missing is fine', () => {
    const calls = callsFor('X-A: 1\r\n');
    assert.equal(write(calls, 'proxy_add_header_map_value', 'x-a', '2'), OK);
    assert.equal(calls.header(REQUEST, 'x-a'), '1, 2');
    assert.equal(calls.env('proxy_remove_header_map_value', REQUEST, ...calls.put('X-A')), OK);
    assert.equal(calls.header(REQUEST, 'x-a'), NOT_FOUND);
    assert.equal(calls.env('proxy_remove_header_map_value', REQUEST, ...calls.put('x-a')), OK);
  });

  test('pseudo-headers can be rewritten, host is the authority', () => {
    const calls = callsFor('');
    const { requestHead } = calls.stream;
    assert.equal(write(calls, 'proxy_replace_header_map_value', ':path', '/new'), OK);
    assert.equal(write(calls, 'proxy_replace_header_map_value', ':method', 'POST'), OK);
    assert.equal(write(calls, 'proxy_replace_header_map_value', 'host', 'ratings:1'), OK);
    assert.deepEqual([requestHead.path, requestHead.method, requestHead.authority], ['/new', 'POST', 'ratings:1']);
    calls.stream.responseHead = Head.response(200);
    assert.equal(write(calls, 'proxy_replace_header_map_value', ':status', '418', RESPONSE), OK);
    assert.equal(calls.stream.responseHead.status, 418);
  });

  test('a pseudo-header that would break the message is refused', () => {
    const calls = callsFor('');
    calls.stream.responseHead = Head.response(200);
    for (const [name, value, map] of [
      [':path', '/a b', REQUEST],
      [':path', 'a', REQUEST],
      [':path', '/x\r\nGET /admin', REQUEST],
      [':method', 'GET /', REQUEST],
      [':authority', 'a/b', REQUEST],
      [':authority', '', REQUEST],
      [':scheme', 'ftp', REQUEST],
      [':status', '99', RESPONSE],
      [':status', '200x', RESPONSE],
      [':unknown', 'x', REQUEST],
    ] as const) {
      assert.equal(write(calls, 'proxy_replace_header_map_value', name, value, map), BAD_ARGUMENT, `${name}: ${value}`);
    }
    assert.equal(calls.stream.requestHead.path, '/a?b');
  });

  test('what may not be on the wire is dropped with a line in the log, and leaves nothing of the old value', () => {
    const calls = callsFor('X-User: attacker\r\n');
    assert.equal(write(calls, 'proxy_replace_header_map_value', 'x-user', 'a\r\nx-admin: 1'), OK);
    assert.equal(calls.header(REQUEST, 'x-user'), NOT_FOUND);
    assert.equal(write(calls, 'proxy_add_header_map_value', 'x y', '1'), OK);
    assert.equal(calls.header(REQUEST, 'x y'), NOT_FOUND);
    assert.equal(
      calls.lines.filter(({ level, message }) => level === 'warning' && message.includes('dropped')).length,
      2,
    );
  });

  test('framing is not the guest’s: connection, transfer-encoding and the like are ignored', () => {
    const calls = callsFor('');
    for (const name of ['connection', 'Transfer-Encoding', 'keep-alive', 'te', 'upgrade', 'content-length', 'expect']) {
      assert.equal(write(calls, 'proxy_add_header_map_value', name, '5'), OK);
    }
    assert.equal(calls.stream.requestHead.size, 0);
    assert.equal(calls.stream.requestHead.contentLength, 0);
  });

  test('without content-length the length of the body is unknown', () => {
    const calls = callsFor('');
    calls.stream.requestHead.contentLength = 5;
    assert.equal(calls.env('proxy_remove_header_map_value', REQUEST, ...calls.put('content-length')), OK);
    assert.equal(calls.stream.requestHead.contentLength, -1);
    assert.equal(calls.header(REQUEST, 'content-length'), NOT_FOUND);
  });

  test('the whole map can be replaced', () => {
    const calls = callsFor('X-A: 1\r\n');
    const pairs = encodePairs([
      [':path', '/p'],
      ['X-B', '2'],
      ['connection', 'close'],
    ]);
    assert.equal(calls.env('proxy_set_header_map_pairs', REQUEST, ...calls.put(pairs)), OK);
    assert.equal(calls.stream.requestHead.path, '/p');
    assert.equal(calls.stream.requestHead.method, 'GET');
    assert.equal(calls.header(REQUEST, 'x-a'), NOT_FOUND);
    assert.equal(calls.header(REQUEST, 'x-b'), '2');
    assert.equal(calls.header(REQUEST, 'connection'), NOT_FOUND);
  });

  test('malformed pairs are an empty list', () => {
    const calls = callsFor('X-A: 1\r\n');
    const lying = Buffer.from(encodePairs([['a', 'b']]));
    lying.writeUInt32LE(0xffffffff, 4);
    assert.equal(calls.env('proxy_set_header_map_pairs', REQUEST, ...calls.put(lying)), OK);
    assert.equal(calls.header(REQUEST, 'x-a'), NOT_FOUND);
  });

  test('a map of another phase cannot be written', () => {
    const calls = callsFor('');
    assert.equal(write(calls, 'proxy_add_header_map_value', 'a', 'b', RESPONSE), BAD_ARGUMENT);
    assert.equal(write(calls, 'proxy_replace_header_map_value', 'a', 'b', 77), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_set_header_map_pairs', RESPONSE, ...calls.put('')), BAD_ARGUMENT);
    assert.equal(write(calls, 'proxy_add_header_map_value', '', 'b'), BAD_ARGUMENT);
  });
});

test('bad pointers are INVALID_MEMORY_ACCESS and change nothing', () => {
  const calls = callsFor('X-A: 1\r\n');
  const key = calls.put('x-a');
  for (const bad of [FAR, WRAPPING, 65_533]) {
    assert.equal(calls.env('proxy_get_header_map_value', 0, bad, 8, 64, 68), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_header_map_value', 0, ...key, bad, 68), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_header_map_value', 0, ...key, 64, bad), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_header_map_size', 0, bad), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_header_map_pairs', 0, bad, 68), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_set_header_map_pairs', 0, bad, 8), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_replace_header_map_value', 0, bad, 8, ...key), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_add_header_map_value', 0, ...key, bad, 8), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_remove_header_map_value', 0, bad, 8), INVALID_MEMORY_ACCESS);
  }
  assert.equal(calls.env('proxy_get_header_map_value', 0, key[0], -1, 64, 68), INVALID_MEMORY_ACCESS);
  assert.equal(calls.header(0, 'x-a'), '1');
});

test('a guest that gives no memory gets INVALID_MEMORY_ACCESS', () => {
  const allocator = '(func (export "malloc") (param i32) (result i32) (i32.const 0))';
  const calls = new Calls(guest({ allocator }), new TestStream(received('A: 1\r\n')));
  assert.equal(calls.header(0, 'a'), INVALID_MEMORY_ACCESS);
});

test('memory that grows while it is allocated is seen whole', () => {
  const allocator = `(func (export "malloc") (param i32) (result i32)
    (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))`;
  const calls = new Calls(guest({ allocator }), new TestStream(received('A: 1\r\n')));
  assert.equal(calls.header(0, 'a'), '1');
  assert.equal(calls.u32(), 65_536);
});

test('pairs survive the way there and back, and every cut of them is an empty list', () => {
  const pairs = [
    ['a', ''],
    ['b-b', 'v\xe9'],
  ] as const;
  const bytes = encodePairs(pairs);
  assert.equal(bytes.length, pairsSize(pairs));
  assert.deepEqual(decodePairs(bytes), pairs);
  for (let length = 0; length < bytes.length; length++) assert.deepEqual(decodePairs(bytes.subarray(0, length)), []);
  assert.equal(encodePairs([]).length, 0);
  assert.deepEqual(decodePairs(Buffer.of(0)), []);
});
