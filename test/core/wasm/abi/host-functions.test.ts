import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { BodyBuffer } from '../../../../core/exchange/body-buffer.ts';
import { Head } from '../../../../core/http/head.ts';
import { encodePairs } from '../../../../core/wasm/abi/pairs.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const INVALID_MEMORY_ACCESS = 6;

function withBody(text: string): Calls {
  const stream = new TestStream();
  stream.bodies.request = new BodyBuffer();
  stream.bodies.request.append(Buffer.from(text));
  return new Calls(guest(), stream, { configuration: Buffer.from('plugin'), vmConfiguration: Buffer.from('vm') });
}

describe('buffers', () => {
  const read = (calls: Calls, buffer: number, start: number, max: number): string | number | undefined => {
    const status = calls.env('proxy_get_buffer_bytes', buffer, start, max, ...calls.out);
    return status === OK ? calls.given() : status;
  };

  test('a body is read in any part of it, and past its end it is empty', () => {
    const calls = withBody('hello world');
    assert.equal(read(calls, 0, 0, 5), 'hello');
    assert.equal(read(calls, 0, 6, 1000), 'world');
    assert.equal(read(calls, 0, 11, 5), '');
    assert.equal(read(calls, 0, 5000, 5), '');
    assert.equal(read(calls, 0, -1, 5), BAD_ARGUMENT, 'start + length does not fit into 32 bits');
    assert.equal(calls.env('proxy_get_buffer_status', 0, 64, 68), OK);
    assert.deepEqual([calls.u32(64), calls.u32(68)], [11, 0]);
  });

  test('buffers of another phase, or that do not exist, are NOT_FOUND', () => {
    const calls = withBody('x');
    for (const buffer of [1, 2, 4, 5, 8, 99, -1]) {
      assert.equal(read(calls, buffer, 0, 5), NOT_FOUND);
      assert.equal(calls.env('proxy_get_buffer_status', buffer, 64, 68), NOT_FOUND);
      assert.equal(calls.env('proxy_set_buffer_bytes', buffer, 0, 0, ...calls.put('a')), NOT_FOUND);
    }
  });

  test('a body is spliced: replaced, put before, put after', () => {
    const calls = withBody('hello world');
    const body = calls.stream.bodies.request!;
    const set = (start: number, remove: number, data: string) =>
      calls.env('proxy_set_buffer_bytes', 0, start, remove, ...calls.put(data));
    assert.equal(set(0, 5, 'bye'), OK);
    assert.equal(body.bytes().toString(), 'bye world');
    assert.equal(set(0, 0, '>'), OK);
    assert.equal(set(5000, 0, '<'), OK);
    assert.equal(body.bytes().toString(), '>bye world<');
    assert.equal(set(0, -1, ''), OK);
    assert.equal(body.length, 0);
  });

  test('the configurations are there at any time and cannot be written', () => {
    const calls = withBody('x');
    assert.equal(read(calls, 6, 0, 100), 'vm');
    assert.equal(read(calls, 7, 2, 100), 'ugin');
    assert.equal(calls.env('proxy_set_buffer_bytes', 7, 0, 0, ...calls.put('a')), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_get_configuration', ...calls.out), OK);
    assert.equal(calls.given(), 'plugin');
  });

  test('bad pointers are INVALID_MEMORY_ACCESS', () => {
    const calls = withBody('x');
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_get_buffer_bytes', 0, 0, 5, bad, 68), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_buffer_bytes', 0, 0, 5, 64, bad), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_buffer_status', 0, bad, 64), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_buffer_bytes', 0, 0, 0, bad, 4), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_configuration', bad, 4), INVALID_MEMORY_ACCESS);
    }
    assert.equal(calls.stream.bodies.request!.bytes().toString(), 'x');
  });
});

describe('the course of a stream', () => {
  test('continue, close and replies begin after the callback', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_continue_stream', 0), OK);
    assert.equal(calls.env('proxy_continue_stream', 1), OK);
    assert.deepEqual(calls.stream.resumed, []);
    calls.end();
    assert.deepEqual(calls.stream.resumed, ['request', 'response']);
    calls.as(calls.context).env('proxy_close_stream', 1);
    calls.end();
    assert.deepEqual(calls.stream.closed, ['response']);
  });

  test('the calls of 0.1.0 do the same', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_continue_request'), OK);
    assert.equal(calls.env('proxy_continue_response'), OK);
    assert.equal(calls.env('proxy_clear_route_cache'), OK);
    calls.end();
    assert.deepEqual(calls.stream.resumed, ['request', 'response']);
    assert.equal(calls.stream.routeCacheCleared, 1);
  });

  test('a kind of stream that does not exist is refused; a root has none to continue', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_continue_stream', 9), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_close_stream', -1), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_continue_stream', 2), OK);
    assert.equal(calls.as(calls.plugin.root).env('proxy_continue_stream', 0), OK);
    calls.end();
    assert.deepEqual(calls.stream.resumed, []);
  });

  test('a local reply keeps binary bodies, drops pseudo-headers and framing, and wins over continuing', () => {
    const calls = new Calls();
    const fields = encodePairs([
      [':status', '200'],
      ['X-Why', 'because'],
      ['transfer-encoding', 'chunked'],
      ['connection', 'close'],
      ['bad', 'a\r\nb'],
    ]);
    const body = Uint8Array.of(0, 255, 10, 13);
    assert.equal(
      calls.env(
        'proxy_send_local_response',
        451,
        ...calls.put('not in my house'),
        ...calls.put(body),
        ...calls.put(fields),
        -1,
      ),
      OK,
    );
    calls.env('proxy_continue_stream', 0);
    assert.equal(calls.stream.replies.length, 0);
    calls.end();
    assert.deepEqual(calls.stream.replies, [
      { status: 451, details: 'not_in_my_house', body, fields: [['x-why', 'because']], grpcStatus: -1 },
    ]);
    assert.deepEqual(calls.stream.resumed, []);
  });

  test('a status that no response can have becomes 500; a gRPC status stays one', () => {
    for (const [code, grpc, expected] of [
      [0, -1, [500, -1]],
      [100, 7, [500, 7]],
      [999, 99, [500, -1]],
      [503, 0, [503, 0]],
    ] as const) {
      const calls = new Calls();
      calls.env('proxy_send_local_response', code, 0, 0, 0, 0, 0, 0, grpc);
      calls.end();
      assert.deepEqual([calls.stream.replies[0].status, calls.stream.replies[0].grpcStatus], expected);
    }
  });

  test('bad pointers send no reply; a root cannot reply', () => {
    const calls = new Calls();
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_send_local_response', 200, bad, 8, 0, 0, 0, 0, -1), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_send_local_response', 200, 0, 0, bad, 8, 0, 0, -1), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_send_local_response', 200, 0, 0, 0, 0, bad, 8, -1), INVALID_MEMORY_ACCESS);
    }
    assert.equal(calls.as(calls.plugin.root).env('proxy_send_local_response', 200, 0, 0, 0, 0, 0, 0, -1), BAD_ARGUMENT);
    calls.end();
    assert.deepEqual(calls.stream.replies, []);
  });

  test('the effective context redirects what follows, within one callback', () => {
    const calls = new Calls(guest(), new TestStream(Head.request('GET', 'a', '/stream')));
    calls.as(calls.plugin.root);
    assert.equal(calls.header(0, ':path'), NOT_FOUND);
    assert.equal(calls.env('proxy_set_effective_context', calls.context.id), OK);
    assert.equal(calls.header(0, ':path'), '/stream');
    assert.equal(calls.env('proxy_continue_stream', 0), OK);
    assert.equal(calls.env('proxy_set_effective_context', 4711), BAD_ARGUMENT);
    calls.end();
    assert.deepEqual(calls.stream.resumed, ['request']);
    assert.equal(calls.as(calls.plugin.root).header(0, ':path'), NOT_FOUND);
  });

  test('proxy_done is NOT_FOUND when nothing waits for it', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_done'), NOT_FOUND);
    assert.equal(calls.as(calls.plugin.root).env('proxy_done'), NOT_FOUND);
  });
});
