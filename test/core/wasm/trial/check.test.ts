import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { describePlugin } from '../../../../core/wasm/trial/check.ts';
import { busy, denying, filter, REQUEST_HEADERS } from '../../../plugins/wat.ts';
import { env, guest } from '../guests.ts';

test('what a module will be able to do follows from what it imports and exports', () => {
  const { accepted, refusal, abi, kind, capabilities, memoryPages, memoryLimitPages, imports } = describePlugin(busy());
  assert.deepEqual({ accepted, refusal, abi, kind }, { accepted: true, refusal: null, abi: '0.2.1', kind: 'http' });
  assert.deepEqual(
    capabilities.map(({ name }) => name),
    ['change_headers', 'read_properties', 'metrics', 'log'],
  );
  assert.deepEqual([memoryPages, memoryLimitPages], [1, 512]);
  assert.ok(imports.includes('env.proxy_log'));
  assert.deepEqual(
    describePlugin(denying()).capabilities.map(({ name }) => name),
    ['local_response'],
  );
});

test('the kind follows from the callbacks', () => {
  const kindOf = (name: string) =>
    describePlugin(filter(`(func (export "${name}") (param i32 i32 i32) (result i32) (i32.const 0))`)).kind;
  assert.equal(kindOf('proxy_on_request_body'), 'http');
  assert.equal(kindOf('proxy_on_downstream_data'), 'network');
  assert.equal(describePlugin(guest()).kind, 'service');
});

test('what is told of a module holds in every callback that it has', () => {
  const named = (imports: string, callbacks: string): string[] =>
    describePlugin(guest({ imports, body: callbacks })).capabilities.map(({ name }) => name);
  const headers = env('proxy_get_header_map_value', 'i32 i32 i32 i32 i32');
  const buffer = env('proxy_get_buffer_bytes', 'i32 i32 i32 i32 i32');
  const others = env('proxy_set_effective_context', 'i32');
  const log = '(func (export "proxy_on_log") (param i32))';
  const body = '(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))';
  const head = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))';
  const tick = '(func (export "proxy_on_tick") (param i32))';
  assert.deepEqual(named(headers, log), ['read_headers']);
  assert.deepEqual(named(headers, body), ['read_headers']);
  assert.deepEqual(named(buffer, body), ['read_bodies']);
  assert.deepEqual(named(buffer, head), [], 'its configuration is a buffer, too');
  assert.deepEqual(named(buffer + others, head + tick), ['read_bodies']);
  assert.deepEqual(named(buffer, tick), []);
});

test('a module that calls over gRPC says so, and one that may be of several kinds is called by each', () => {
  const grpc = env('proxy_grpc_call', Array(12).fill('i32').join(' '));
  const [{ does }] = describePlugin(guest({ imports: grpc })).capabilities;
  assert.match(does, /call other services over gRPC/);
  const all = `${REQUEST_HEADERS} (i32.const 0))
    (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
    (func (export "proxy_on_tick") (param i32))`;
  assert.deepEqual(describePlugin(filter(all)).kinds, ['http', 'network', 'service']);
  assert.deepEqual(describePlugin(guest()).kinds, ['service']);
});

suite('one line says why a module is refused', () => {
  const cases: (readonly [string, Uint8Array, RegExp])[] = [
    ['no module', Buffer.from('hello'), /^not a WebAssembly module$/],
    ['a module that is cut off', busy().subarray(0, 200), /at offset 0x/],
    [
      'a module that is not valid',
      // An instruction that takes a value which is not there: drop.
      Buffer.from('0061736d0100000001040160000003020100' + '0a05010300' + '1a0b', 'hex'),
      /^not a valid module: .*function #0/,
    ],
    ['no marker', guest({ abi: '' }), /exports no proxy_abi_version/],
    ['an unknown marker', guest({ abi: '9_9_9' }), /unknown ABI version proxy_abi_version_9_9_9/],
    ['an unknown import', guest({ imports: env('proxy_make_coffee', 'i32') }), /env\.proxy_make_coffee/],
    [
      'an import with other parameters',
      guest({ imports: env('proxy_log', 'i32 i64') }),
      /imports env\.proxy_log with parameters \(i32 i64\) instead of \(i32 i32 i32\)/,
    ],
    [
      'a callback with other parameters',
      filter('(func (export "proxy_on_configure") (param i32 i32 i32 i32) (result i32) (i32.const 1))'),
      /proxy_on_configure takes 4 parameters instead of 2/,
    ],
    [
      'a callback with a parameter of another type',
      filter('(func (export "proxy_on_request_headers") (param i64 i32 i32) (result i32) (i32.const 0))'),
      /^proxy_on_request_headers takes \(i64 i32 i32\) instead of \(i32 i32 i32\)$/,
    ],
    [
      'a callback with a result of another type',
      filter('(func (export "proxy_on_response_body") (param i32 i32 i32) (result f64) (f64.const 0))'),
      /^proxy_on_response_body returns \(f64\) instead of \(i32\)$/,
    ],
    [
      'a callback without the result that is asked for',
      filter('(func (export "proxy_on_vm_start") (param i32 i32))'),
      /^proxy_on_vm_start returns \(\) instead of \(i32\)$/,
    ],
    [
      'a callback with a result that nobody asks for',
      filter('(func (export "proxy_on_log") (param i32) (result i32) (i32.const 0))'),
      /^proxy_on_log returns \(i32\) instead of \(\)$/,
    ],
    [
      'a callback that is an import of another type',
      guest({ imports: env('proxy_get_metric', 'i32 i32'), body: '(export "proxy_on_tick" (func $proxy_get_metric))' }),
      /^proxy_on_tick takes 2 parameters instead of 1$/,
    ],
    ['too much memory', guest({ pages: '600' }), /memory begins with 600 pages, at most 512/],
    ['no memory', guest({ memory: '(memory 1)' }), /exports no memory/],
    ['no allocator', guest({ allocator: '' }), /exports neither malloc nor proxy_on_memory_allocate/],
    [
      'data outside of its memory',
      guest({ body: '(data (i32.const 65530) "0123456789")' }),
      /cannot be linked: .*out of bounds/,
    ],
    ['a name with line breaks', guest({ imports: '(import "env" "a\\nb" (func))' }), /env\.a b$/],
  ];
  for (const [title, bytes, expected] of cases) {
    test(title, () => {
      const description = describePlugin(bytes);
      assert.equal(description.accepted, false);
      assert.match(description.refusal ?? '', expected);
      assert.doesNotMatch(description.refusal ?? '', /\n/);
    });
  }

  test('what is too large is not looked at', () => {
    assert.match(describePlugin(busy(), { maxBytes: 10 }).refusal ?? '', /^larger than 10 bytes$/);
  });
});

test('nothing of a module runs while it is checked', () => {
  const bytes = filter(`(func $s (unreachable)) (start $s) ${REQUEST_HEADERS} (i32.const 0))`);
  assert.equal(describePlugin(bytes).accepted, true);
});
