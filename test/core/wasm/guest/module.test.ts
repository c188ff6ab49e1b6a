import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PluginRefused } from '../../../../core/wasm/guest/traps.ts';
import { env, type GuestParts, guest } from '../guests.ts';
import { runtimeFor, specFor } from '../harness.ts';

/** Why a module is refused; fails when it is not. */
function refusal(parts: GuestParts): string {
  const { runtime } = runtimeFor();
  try {
    runtime.configure(specFor(guest(parts)));
  } catch (error) {
    assert.ok(error instanceof PluginRefused, String(error));
    assert.ok(!error.message.includes('\n'), error.message);
    assert.deepEqual(runtime.dump(), [], 'a refused plugin leaves nothing behind');
    return error.message;
  }
  assert.fail('it was not refused');
}

test('a module without an ABI marker is refused', () => {
  assert.equal(refusal({ abi: '' }), 'plugin test: no proxy-wasm module: it exports no proxy_abi_version');
});

test('an ABI version that nobody has is refused by name', () => {
  assert.match(refusal({ abi: '9_9_9' }), /unknown ABI version proxy_abi_version_9_9_9/);
});

test('two ABI versions are refused', () => {
  assert.match(refusal({ body: '(func (export "proxy_abi_version_0_1_0"))' }), /several ABI versions/);
});

test('the three versions are accepted', () => {
  for (const abi of ['0_1_0', '0_2_0', '0_2_1']) {
    const { runtime } = runtimeFor();
    runtime.configure(specFor(guest({ abi })));
    runtime.stop();
  }
});

test('an unknown import is refused by name', () => {
  assert.match(refusal({ imports: env('proxy_teleport', 'i32') }), /imports the unknown function env\.proxy_teleport/);
  assert.match(
    refusal({ imports: '(import "wasi_snapshot_preview1" "sock_accept" (func (param i32)))' }),
    /wasi_snapshot_preview1\.sock_accept/,
  );
  assert.match(
    refusal({ imports: '(import "gojs" "runtime.wasmExit" (func (param i32)))' }),
    /gojs\.runtime\.wasmExit/,
  );
  assert.match(refusal({ imports: env('constructor', 'i32') }), /unknown function env\.constructor/);
});

test('an import that is no function is refused', () => {
  assert.match(refusal({ imports: '(import "env" "table" (table 1 funcref))' }), /imports the table env\.table/);
});

test('a module without memory or without an allocator is refused', () => {
  assert.match(refusal({ memory: '(memory 1)' }), /exports no memory/);
  assert.match(refusal({ allocator: '' }), /exports neither malloc nor proxy_on_memory_allocate/);
});

test('a callback with other parameters than the ABI says is refused, because JavaScript would call it anyway', () => {
  const body = '(func (export "proxy_on_configure") (param i32 i32 i32 i32) (result i32) (i32.const 1))';
  assert.match(refusal({ body }), /proxy_on_configure takes 4 parameters instead of 2/);
  const global = '(global (export "proxy_on_log") i32 (i32.const 0))';
  assert.match(refusal({ body: global }), /exports proxy_on_log as a global/);
});

test('headers callbacks may have two parameters or three', () => {
  for (const params of ['i32 i32', 'i32 i32 i32']) {
    const { runtime } = runtimeFor();
    runtime.configure(
      specFor(
        guest({ body: `(func (export "proxy_on_request_headers") (param ${params}) (result i32) (i32.const 0))` }),
      ),
    );
    runtime.stop();
  }
});

test('more memory than the cap is refused', () => {
  assert.match(refusal({ pages: '1024' }), /memory .* the cap is/);
});

test('a trap at start is a refusal that says where', () => {
  assert.match(refusal({ body: '(func $boom (export "_initialize") (unreachable))' }), /does not start: unreachable/);
  assert.match(
    refusal({ body: '(func (export "proxy_on_configure") (param i32 i32) (result i32) (unreachable))' }),
    /trapped while starting: unreachable/,
  );
});

test('a guest that exits while starting is refused, unless it exits with success as commands do', () => {
  const imports = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';
  const exits = (code: number) => `(func (export "_start") (call $exit (i32.const ${code})))`;
  assert.match(refusal({ imports, body: exits(3) }), /does not start: exited with code 3/);
  const { runtime } = runtimeFor();
  runtime.configure(specFor(guest({ imports, body: exits(0) })));
  runtime.stop();
});

test('a host function other than logging cannot be called while starting', () => {
  const imports = env('proxy_get_header_map_pairs', 'i32 i32 i32');
  const body =
    '(func (export "_initialize") (drop (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 0) (i32.const 4))))';
  assert.match(refusal({ imports, body }), /does not start: proxy_get_header_map_pairs was called while starting/);
});

test('a refused configuration is told with the last thing that the guest said', () => {
  const imports = env('proxy_log', 'i32 i32 i32');
  const body = `(data (i32.const 16) "missing field jwks")
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $proxy_log (i32.const 4) (i32.const 16) (i32.const 18)))
      (i32.const 0))`;
  assert.equal(refusal({ imports, body }), 'plugin test: refused its configuration: missing field jwks');
});

test('a guest that refuses to start is refused', () => {
  const body = '(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))';
  assert.equal(refusal({ body }), 'plugin test: refused to start');
});
