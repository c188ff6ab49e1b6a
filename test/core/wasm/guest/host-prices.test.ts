import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Head } from '../../../../core/http/head.ts';
import { meter } from '../../../../core/wasm/meter/meter.ts';
import { env, guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const WASI = (name: string, parameters: string): string =>
  `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${parameters}) (result i32)))`;

/** A callback that calls this for ever. */
function looping(imports: string, call: string, setUp = ''): Uint8Array<ArrayBuffer> {
  const bytes = guest({
    imports,
    pages: '20',
    // One place in the memory for whatever is handed over.
    allocator: '(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))',
    body: `
      (data (i32.const 0) "x-name")
      (data (i32.const 16) "request\\00headers")
      (data (i32.const 48) "compress")
      (data (i32.const 64) "http://a")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        ${setUp} (loop $l (drop ${call}) (br $l)) (unreachable))`,
  });
  return meter(bytes).bytes as Uint8Array<ArrayBuffer>;
}

const FILL_VECTORS = `(local $i i32)
  (loop $f (i32.store (i32.add (i32.const 1024) (i32.shl (local.get $i) (i32.const 3))) (i32.const 65536))
           (i32.store (i32.add (i32.const 1028) (i32.shl (local.get $i) (i32.const 3))) (i32.const 4096))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $f (i32.lt_u (local.get $i) (i32.const 8000))))`;

/** Thousands of pairs without a name. */
const FILL_PAIRS = '(i32.store (i32.const 1024) (i32.const 1024))';

const LOOPS: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  'random bytes': looping(WASI('random_get', 'i32 i32'), '(call $random_get (i32.const 65536) (i32.const 65536))'),
  'output in 8,000 vectors': looping(
    WASI('fd_write', 'i32 i32 i32 i32'),
    '(call $fd_write (i32.const 1) (i32.const 1024) (i32.const 8000) (i32.const 512))',
    FILL_VECTORS,
  ),
  'header maps': looping(
    env('proxy_set_header_map_pairs', 'i32 i32 i32'),
    '(call $proxy_set_header_map_pairs (i32.const 0) (i32.const 1024) (i32.const 20000))',
    FILL_PAIRS,
  ),
  'all headers': looping(
    env('proxy_get_header_map_pairs', 'i32 i32 i32'),
    '(call $proxy_get_header_map_pairs (i32.const 0) (i32.const 512) (i32.const 516))',
  ),
  'headers that are added': looping(
    env('proxy_add_header_map_value', 'i32 i32 i32 i32 i32'),
    '(call $proxy_add_header_map_value (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 6))',
  ),
  'a header that is replaced by a long one': looping(
    env('proxy_replace_header_map_value', 'i32 i32 i32 i32 i32'),
    '(call $proxy_replace_header_map_value (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 1024) (i32.const 65536))',
    '(memory.fill (i32.const 1024) (i32.const 97) (i32.const 65536))',
  ),
  'a whole map as a property': looping(
    env('proxy_get_property', 'i32 i32 i32 i32'),
    '(call $proxy_get_property (i32.const 16) (i32.const 15) (i32.const 512) (i32.const 516))',
  ),
  'logs of any length': looping(
    env('proxy_log', 'i32 i32 i32'),
    '(call $proxy_log (i32.const 2) (i32.const 0) (i32.const 1000000))',
  ),
  'a codec': looping(
    env('proxy_call_foreign_function', 'i32 i32 i32 i32 i32 i32'),
    `(call $proxy_call_foreign_function (i32.const 48) (i32.const 8) (i32.const 65536) (i32.const 1000000)
      (i32.const 512) (i32.const 516))`,
  ),
  'shared data': looping(
    env('proxy_set_shared_data', 'i32 i32 i32 i32 i32'),
    '(call $proxy_set_shared_data (i32.const 0) (i32.const 6) (i32.const 65536) (i32.const 60000) (i32.const 0))',
  ),
  'names of metrics': looping(
    env('proxy_define_metric', 'i32 i32 i32 i32'),
    '(call $proxy_define_metric (i32.const 0) (i32.const 0) (i32.const 1000000) (i32.const 512))',
  ),
  'calls to services': looping(
    env('proxy_http_call', 'i32 i32 i32 i32 i32 i32 i32 i32 i32 i32'),
    `(call $proxy_http_call (i32.const 64) (i32.const 8) (i32.const 1024) (i32.const 20000) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 512))`,
    FILL_PAIRS,
  ),
  'the time': looping(
    env('proxy_get_current_time_nanoseconds', 'i32'),
    '(call $proxy_get_current_time_nanoseconds (i32.const 512))',
  ),
  'routes that are chosen again': looping(env('proxy_clear_route_cache', ''), '(call $proxy_clear_route_cache)'),
  'a memory that grows by nothing': looping('', '(memory.grow (i32.const 0))'),
};

suite('a callback that calls the host for ever', () => {
  for (const [what, bytes] of Object.entries(LOOPS)) {
    test(`is ended within a fraction of a second, and pays itself: ${what}`, () => {
      const { runtime, lines } = runtimeFor();
      const stream = new TestStream(Head.request('GET', 'a', '/', [['x-a', '1'.repeat(1000)]]));
      const filter = runtime.configure(specFor(bytes)).open(stream, null);
      const before = process.cpuUsage();
      assert.equal(filter.head('request', stream.requestHead, true), 'pause');
      const { user, system } = process.cpuUsage(before);
      assert.match(lines.at(-1)!.message, /ran for too long: its fuel for one callback is spent/);
      assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms of a core`);
      runtime.stop();
    });
  }

  test('leaves what it asked for in the time before that', () => {
    const { runtime, lines } = runtimeFor();
    const stream = new TestStream();
    runtime
      .configure(specFor(LOOPS['logs of any length']))
      .open(stream, null)
      .head('request', stream.requestHead, true);
    assert.ok(lines.length > 100 && lines.length < 300, `${lines.length} lines`);
    assert.match(lines.at(-2)!.message, /logs more than 10000 lines or 1048576 bytes in a second/);
    runtime.stop();
  });
});
