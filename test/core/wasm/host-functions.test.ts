import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync, inflateSync } from 'node:zlib';

import { BodyBuffer } from '../../../core/body.ts';
import { Head } from '../../../core/head.ts';
import { encodePairs } from '../../../core/wasm/pairs.ts';
import { Calls, FAR, WRAPPING } from './calls.ts';
import { guest } from './guests.ts';
import { TestStream } from './harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const SERIALIZATION_FAILURE = 3;
const PARSE_FAILURE = 4;
const INVALID_MEMORY_ACCESS = 6;
const EMPTY = 7;
const CAS_MISMATCH = 8;

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

describe('properties', () => {
  const text = (value: Buffer | number | undefined): unknown => (Buffer.isBuffer(value) ? value.toString() : value);
  const number = (value: Buffer | number | undefined): unknown =>
    Buffer.isBuffer(value) && value.length === 8 ? Number(value.readBigInt64LE()) : value;

  test('of the request', () => {
    const head = Head.request('POST', 'reviews:9080', '/a/b?c=d&e', [
      ['User-Agent', 'curl'],
      ['Referer', 'http://x/'],
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    const calls = new Calls(guest(), new TestStream(head, { bytesReceived: 12, durationMs: 1.5 }));
    assert.equal(text(calls.property('request', 'path')), '/a/b?c=d&e');
    assert.equal(text(calls.property('request', 'url_path')), '/a/b');
    assert.equal(text(calls.property('request', 'query')), 'c=d&e');
    assert.equal(text(calls.property('request', 'host')), 'reviews:9080');
    assert.equal(text(calls.property('request', 'method')), 'POST');
    assert.equal(text(calls.property('request', 'scheme')), 'http');
    assert.equal(text(calls.property('request', 'protocol')), 'HTTP/1.1');
    assert.equal(text(calls.property('request', 'useragent')), 'curl');
    assert.equal(text(calls.property('request', 'referer')), 'http://x/');
    assert.equal(text(calls.property('request', 'id')), 'b1946ac9');
    assert.equal(text(calls.property('request', 'headers', 'X-A')), '1, 2');
    assert.equal(text(calls.property('request', 'headers', ':path')), '/a/b?c=d&e');
    assert.equal(calls.property('request', 'headers', 'nope'), NOT_FOUND);
    assert.equal(number(calls.property('request', 'time')), 1_700_000_000_000_000_000);
    assert.equal(number(calls.property('request', 'size')), 12);
    assert.equal(number(calls.property('request', 'duration')), 1_500_000);
  });

  test('of the response, once there is one', () => {
    const calls = new Calls(guest(), new TestStream(undefined, { responseCodeDetails: 'via_upstream', flags: 2 }));
    assert.equal(calls.property('response', 'code'), NOT_FOUND);
    assert.equal(calls.property('response', 'headers', 'a'), NOT_FOUND);
    calls.stream.responseHead = Head.response(404, [['A', 'b']]);
    calls.stream.responseTrailers = Head.response(0, [['grpc-status', '5']]);
    assert.equal(number(calls.property('response', 'code')), 404);
    assert.equal(text(calls.property('response', 'code_details')), 'via_upstream');
    assert.equal(number(calls.property('response', 'flags')), 2);
    assert.equal(text(calls.property('response', 'headers', 'a')), 'b');
    assert.equal(text(calls.property('response', 'trailers', 'grpc-status')), '5');
    assert.equal(number(calls.property('response', 'grpc_status')), 5);
  });

  test('of the connection and the upstream; who called comes from the record, not from a header', () => {
    const spoofed = Head.request('GET', 'a', '/', [['x-forwarded-client-cert', 'URI=spiffe://evil']]);
    const unknown = new Calls(guest(), new TestStream(spoofed));
    assert.equal(unknown.property('connection', 'uri_san_peer_certificate'), NOT_FOUND);
    assert.equal(unknown.property('weft', 'source_principal'), NOT_FOUND);
    assert.equal(unknown.property('upstream', 'address'), NOT_FOUND);
    const calls = new Calls(
      guest(),
      new TestStream(undefined, {
        sourcePrincipal: 'cluster.local/ns/shop/sa/cart',
        upstreamHost: '127.0.0.1:9080',
        clusterName: 'inbound|9080||',
      }),
    );
    assert.equal(
      text(calls.property('connection', 'uri_san_peer_certificate')),
      'spiffe://cluster.local/ns/shop/sa/cart',
    );
    assert.equal(text(calls.property('weft', 'source_principal')), 'cluster.local/ns/shop/sa/cart');
    assert.equal(text(calls.property('weft', 'source_namespace')), 'shop');
    assert.equal(text(calls.property('source', 'address')), '127.1.0.2:40000');
    assert.equal(number(calls.property('source', 'port')), 40_000);
    assert.equal(text(calls.property('destination', 'address')), '127.1.0.3:9080');
    assert.equal(number(calls.property('destination', 'port')), 9080);
    assert.deepEqual(calls.property('connection', 'mtls'), Buffer.of(0));
    assert.equal(text(calls.property('upstream', 'address')), '127.0.0.1:9080');
    assert.equal(number(calls.property('upstream', 'port')), 9080);
    assert.equal(text(calls.property('cluster_name')), 'inbound|9080||');
    assert.equal(text(calls.property('route_name')), 'default');
    assert.equal(number(calls.property('listener_direction')), 1);
  });

  test('of the plugin and the node, also for a root', () => {
    const calls = new Calls(guest(), new TestStream(), { name: 'p', rootId: '', vmId: 'v' });
    calls.as(calls.plugin.root);
    assert.equal(text(calls.property('plugin_name')), 'p');
    assert.equal(text(calls.property('plugin_root_id')), '', 'an empty root id is there');
    assert.equal(text(calls.property('plugin_vm_id')), 'v');
    assert.equal(text(calls.property('node', 'id')), 'sidecar~reviews-v1-1');
    assert.equal(text(calls.property('node', 'metadata', 'NAMESPACE')), 'default');
    assert.equal(text(calls.property('node', 'metadata', 'LABELS', 'app')), 'reviews');
    assert.equal(calls.property('request', 'path'), NOT_FOUND);
  });

  test('a NUL at the end of a path is optional; unknown, empty and endless paths are NOT_FOUND', () => {
    const calls = new Calls();
    assert.equal(text(calls.property('request', 'method', '')), 'GET');
    for (const path of ['', 'nope', 'request', 'request\0nope', 'x'.repeat(5000)]) {
      assert.equal(calls.property(path), NOT_FOUND, path.slice(0, 20));
    }
  });

  test('this route’s configuration of the filter', () => {
    const calls = new Calls(guest(), new TestStream(), {}, Uint8Array.of(1, 0, 2));
    assert.deepEqual(calls.property('weft', 'filter_config'), Buffer.of(1, 0, 2));
    assert.equal(new Calls().property('weft', 'filter_config'), NOT_FOUND);
  });

  test('what one filter sets, later filters read; nothing known can be shadowed', () => {
    const calls = new Calls();
    const set = (path: string, value: string) =>
      calls.env('proxy_set_property', ...calls.put(path), ...calls.put(value));
    assert.equal(set('my\0key', 'value'), OK);
    assert.equal(text(calls.property('my', 'key')), 'value');
    assert.equal(set('weft\0source_principal', 'cluster.local/ns/x/sa/admin'), OK);
    assert.equal(calls.property('weft', 'source_principal'), NOT_FOUND);
    assert.equal(calls.as(calls.plugin.root).env('proxy_set_property', ...calls.put('a'), ...calls.put('b')), OK);
  });

  test('bad pointers are INVALID_MEMORY_ACCESS', () => {
    const calls = new Calls();
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_get_property', bad, 8, 64, 68), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_property', ...calls.put('request\0path'), bad, 68), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_property', bad, 8, 0, 0), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_property', 0, 0, bad, 8), INVALID_MEMORY_ACCESS);
    }
  });
});

describe('shared data, queues and metrics', () => {
  test('a value is stored, read with its number, and only replaced by who knows that number', () => {
    const calls = new Calls();
    const set = (value: string, cas: number) =>
      calls.env('proxy_set_shared_data', ...calls.put('k'), ...calls.put(value), cas);
    const get = () => calls.env('proxy_get_shared_data', ...calls.put('k'), ...calls.out, 80);
    assert.equal(get(), NOT_FOUND);
    assert.equal(set('one', 0), OK);
    assert.equal(get(), OK);
    assert.deepEqual([calls.given(), calls.u32(80)], ['one', 1]);
    assert.equal(set('two', 1), OK);
    assert.equal(set('three', 1), CAS_MISMATCH);
    assert.equal(get(), OK);
    assert.deepEqual([calls.given(), calls.u32(80)], ['two', 2]);
    assert.equal(set('', 0), OK);
    assert.equal(get(), OK);
    assert.equal(calls.given(), '');
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_get_shared_data', bad, 8, ...calls.out, 80), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_shared_data', ...calls.put('k'), ...calls.out, bad), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_shared_data', bad, 8, 0, 0, 0), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_shared_data', 0, 1, bad, 8, 0), INVALID_MEMORY_ACCESS);
    }
  });

  test('a queue has one id by its name, gives what was put in, in order', () => {
    const calls = new Calls(guest(), new TestStream(), { vmId: 'v' });
    const id = (name: string, ...of: string[]): number => {
      assert.equal(calls.env(name, ...of.flatMap((one) => calls.put(one)), 80), OK);
      return calls.u32(80);
    };
    const queue = id('proxy_register_shared_queue', 'q');
    assert.equal(id('proxy_register_shared_queue', 'q'), queue);
    assert.equal(id('proxy_resolve_shared_queue', 'v', 'q'), queue);
    assert.equal(calls.env('proxy_resolve_shared_queue', ...calls.put('w'), ...calls.put('q'), 80), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), EMPTY);
    for (const value of ['a', 'b'])
      assert.equal(calls.env('proxy_enqueue_shared_queue', queue, ...calls.put(value)), OK);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), OK);
    assert.equal(calls.given(), 'a');
    assert.equal(calls.env('proxy_enqueue_shared_queue', 99, ...calls.put('x')), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', 99, ...calls.out), NOT_FOUND);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, FAR, 64), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_dequeue_shared_queue', queue, ...calls.out), OK, 'a bad pointer loses nothing');
    assert.equal(calls.given(), 'b');
    assert.equal(calls.env('proxy_register_shared_queue', FAR, 1, 80), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_enqueue_shared_queue', queue, FAR, 1), INVALID_MEMORY_ACCESS);
  });

  test('metrics: one id a name; counters only rise, recording on one adds, gauges are set', () => {
    const calls = new Calls();
    const define = (type: number, name: string): number => {
      assert.equal(calls.env('proxy_define_metric', type, ...calls.put(name), 80), OK);
      return calls.u32(80);
    };
    const value = (id: number): bigint | number | undefined => {
      const status = calls.env('proxy_get_metric', id, 64);
      return status === OK ? calls.u64() : status;
    };
    const counter = define(0, 'c');
    const gauge = define(1, 'g');
    const histogram = define(2, 'h');
    assert.equal(define(0, 'c'), counter);
    assert.equal(calls.env('proxy_increment_metric', counter, 3n), OK);
    assert.equal(calls.env('proxy_increment_metric', counter, -1n), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_increment_metric', counter, 0n), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_record_metric', counter, 4n), OK);
    assert.equal(value(counter), 7n);
    assert.equal(calls.env('proxy_record_metric', gauge, 40n), OK);
    assert.equal(calls.env('proxy_increment_metric', gauge, -2n), OK);
    assert.equal(value(gauge), 38n);
    assert.equal(calls.env('proxy_record_metric', histogram, 1n), OK);
    assert.equal(value(histogram), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_increment_metric', histogram, 1n), BAD_ARGUMENT);
    assert.equal(value(99), NOT_FOUND);
    assert.equal(calls.env('proxy_increment_metric', 0, 1n), NOT_FOUND);
    assert.equal(calls.env('proxy_define_metric', 7, ...calls.put('x'), 80), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_define_metric', 0, FAR, 1, 80), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_metric', counter, WRAPPING), INVALID_MEMORY_ACCESS);
    assert.deepEqual(
      calls.runtime.metrics().map(({ name, value: of }) => [name, of]),
      [
        ['c', 7n],
        ['g', 38n],
        ['h', 1n],
      ],
    );
  });
});

test('calls to other services answer what the public SDKs hand on as an error', () => {
  const calls = new Calls();
  const rest = (count: number): number[] => new Array(count).fill(0);
  assert.equal(calls.env('proxy_http_call', ...calls.put('httpbin'), ...rest(8)), BAD_ARGUMENT);
  assert.equal(calls.env('proxy_grpc_call', ...calls.put('grpc'), ...rest(10)), PARSE_FAILURE);
  assert.equal(calls.env('proxy_grpc_stream', ...calls.put('grpc'), ...rest(7)), PARSE_FAILURE);
  assert.equal(calls.env('proxy_grpc_send', 1, 0, 0, 0), NOT_FOUND);
  assert.equal(calls.env('proxy_grpc_cancel', 1), NOT_FOUND);
  assert.equal(calls.env('proxy_grpc_close', 1), NOT_FOUND);
  assert.equal(calls.env('proxy_get_status', 80, ...calls.out), OK);
  assert.deepEqual([calls.u32(80), calls.given()], [0, '']);
  assert.equal(calls.env('proxy_http_call', FAR, 4, ...rest(8)), INVALID_MEMORY_ACCESS);
});

describe('foreign functions', () => {
  const call = (calls: Calls, name: string, parameters: string | Uint8Array = '') =>
    calls.env('proxy_call_foreign_function', ...calls.put(name), ...calls.put(parameters), ...calls.out);

  test('unknown ones are NOT_FOUND', () => {
    const calls = new Calls();
    assert.equal(call(calls, 'nope'), NOT_FOUND);
    assert.equal(call(calls, 'expr_create'), NOT_FOUND);
    assert.equal(call(calls, 'x'.repeat(200)), NOT_FOUND);
    assert.equal(calls.env('proxy_call_foreign_function', FAR, 4, 0, 0, 64, 68), INVALID_MEMORY_ACCESS);
    assert.equal(
      calls.env('proxy_call_foreign_function', ...calls.put('compress'), FAR, 4, 64, 68),
      INVALID_MEMORY_ACCESS,
    );
  });

  test('compress and uncompress are inverse, bounded, and refuse what is not compressed', () => {
    const calls = new Calls(guest({ pages: '40' }));
    assert.equal(call(calls, 'compress', 'hello hello hello'), OK);
    const compressed = calls.givenBytes();
    assert.equal(inflateSync(compressed).toString(), 'hello hello hello');
    assert.equal(call(calls, 'uncompress', compressed), OK);
    assert.equal(calls.given(), 'hello hello hello');
    assert.equal(call(calls, 'uncompress', 'garbage'), SERIALIZATION_FAILURE);
    const bomb = deflateSync(Buffer.alloc(8 * 1024 * 1024));
    assert.equal(call(calls, 'uncompress', bomb), SERIALIZATION_FAILURE);
  });

  test('results may be unwanted', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_call_foreign_function', ...calls.put('compress'), ...calls.put('abc'), 0, 0), OK);
    assert.equal(
      calls.env('proxy_call_foreign_function', ...calls.put('declare_property'), ...calls.put('x'), 0, 0),
      OK,
    );
  });

  test('ours: the route cache, flags, and resuming later', () => {
    const calls = new Calls();
    assert.equal(call(calls, 'clear_route_cache'), OK);
    assert.equal(calls.stream.routeCacheCleared, 1);
    assert.equal(call(calls, 'weft_flag', 'RL'), OK);
    assert.equal(call(calls, 'weft_flag', 'NOPE'), BAD_ARGUMENT);
    assert.deepEqual(calls.stream.flags, ['RL']);
    assert.equal(call(calls, 'weft_resume_after', Uint8Array.of(0x10, 0x27, 0, 0)), OK);
    assert.equal(call(calls, 'weft_resume_after', Uint8Array.of(1, 2)), BAD_ARGUMENT);
    assert.deepEqual(calls.stream.delays, [10_000]);
    assert.equal(call(calls, 'weft_wake_after', Uint8Array.of(1, 0, 0, 0)), NOT_FOUND, 'no callback to wake it by');
    assert.equal(call(calls.as(calls.plugin.root), 'weft_resume_after', Uint8Array.of(1, 0, 0, 0)), BAD_ARGUMENT);
  });
});

describe('logging, time and WASI', () => {
  test('messages below the level are not looked at, others are logged with the plugin’s name', () => {
    const calls = new Calls();
    calls.runtime.logLevel = 'warning';
    assert.equal(calls.env('proxy_log', 2, FAR, 99), OK, 'not even its pointer');
    assert.equal(calls.env('proxy_log', 3, ...calls.put(Buffer.from('grün'))), OK);
    assert.equal(calls.env('proxy_log', 5, FAR, 99), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_log', 6, ...calls.put('x')), BAD_ARGUMENT);
    assert.deepEqual(calls.lines, [{ level: 'warning', message: 'test: grün' }]);
    assert.equal(calls.env('proxy_get_log_level', 64), OK);
    assert.equal(calls.u32(), 3);
    assert.equal(calls.env('proxy_get_log_level', WRAPPING), INVALID_MEMORY_ACCESS);
  });

  test('the time is in nanoseconds', () => {
    const calls = new Calls();
    const before = Date.now();
    assert.equal(calls.env('proxy_get_current_time_nanoseconds', 64), OK);
    const ms = Number(calls.u64() / 1_000_000n);
    assert.ok(ms >= before && ms <= Date.now());
    assert.equal(calls.env('proxy_get_current_time_nanoseconds', FAR), INVALID_MEMORY_ACCESS);
  });

  test('fd_write goes to the log, without its newline; other descriptors are bad', () => {
    const calls = new Calls();
    const [first, firstLength] = calls.put('hello ');
    const [second, secondLength] = calls.put('world\n');
    const vectors = Buffer.alloc(16);
    [first, firstLength, second, secondLength].forEach((word, i) => void vectors.writeUInt32LE(word, i * 4));
    const [at] = calls.put(vectors);
    assert.equal(calls.wasi('fd_write', 2, at, 2, 64), 0);
    assert.equal(calls.u32(), 12);
    assert.deepEqual(calls.lines, [{ level: 'error', message: 'test: hello world' }]);
    assert.equal(calls.wasi('fd_write', 3, at, 2, 64), 8);
    assert.equal(calls.wasi('fd_write', 1, FAR, 2, 64), 21);
    assert.equal(calls.wasi('fd_write', 1, at, -1, 64), 21);
  });

  test('environment: the configured variables and no others; no arguments', () => {
    const calls = new Calls(guest(), new TestStream(), { env: { A: '1', LONG: 'x y' } });
    assert.equal(calls.wasi('environ_sizes_get', 64, 68), 0);
    assert.deepEqual([calls.u32(64), calls.u32(68)], [2, 4 + 9]);
    assert.equal(calls.wasi('environ_get', 64, 100), 0);
    assert.equal(calls.instance.memory.latin1(100, 13), 'A=1\0LONG=x y\0');
    assert.deepEqual([calls.u32(64), calls.u32(68)], [100, 104]);
    assert.equal(calls.wasi('environ_get', FAR, 100), 21);
    assert.equal(calls.wasi('args_sizes_get', 64, 68), 0);
    assert.deepEqual([calls.u32(64), calls.u32(68)], [0, 0]);
  });

  test('clocks and randomness', () => {
    const calls = new Calls();
    assert.equal(calls.wasi('clock_time_get', 0, 0n, 64), 0);
    assert.ok(calls.u64() > 1_600_000_000_000_000_000n);
    assert.equal(calls.wasi('clock_time_get', 1, 0n, 64), 0);
    assert.equal(calls.wasi('clock_time_get', 2, 0n, 64), 58);
    assert.equal(calls.wasi('clock_time_get', 0, 0n, FAR), 21);
    assert.equal(calls.wasi('random_get', 64, 32), 0);
    assert.notEqual(calls.instance.memory.latin1(64, 32), '\0'.repeat(32));
    assert.equal(calls.wasi('random_get', 64, 70_000), 28);
    assert.equal(calls.wasi('random_get', FAR, 8), 21);
  });

  test('what toolchains probe is answered as they expect', () => {
    const calls = new Calls();
    assert.equal(calls.wasi('fd_prestat_get', 3, 64), 8);
    assert.equal(calls.wasi('sched_yield'), 0);
    assert.equal(calls.wasi('poll_oneoff', 0, 0, 1, 64), 0);
    assert.equal(calls.wasi('fd_fdstat_get', 1, 64), 0);
    assert.equal(calls.wasi('fd_fdstat_get', 5, 64), 8);
    assert.equal(calls.wasi('path_open', 3, 0, 0, 0, 0, 0n, 0n, 0, 64), 44);
    assert.equal(calls.wasi('fd_readdir', 3, 0, 0, 0n, 64), 58);
  });
});
