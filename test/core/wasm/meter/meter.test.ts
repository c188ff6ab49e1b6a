import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';

import { assemble } from '../../../../asbuild/assemble.ts';
import { buildFilters } from '../../../../asbuild/build.ts';
import { OUT } from '../../../../asbuild/manifest.ts';
import { PluginRefused } from '../../../../core/wasm/guest/traps.ts';
import { meter } from '../../../../core/wasm/meter/meter.ts';

type Run = (...args: number[]) => number;

/** Runs a metered module's export with some fuel. */
function instantiate(bytes: Uint8Array<ArrayBuffer>, imports: Record<string, Record<string, () => undefined>> = {}) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  const fuel = exports.__fuel as WebAssembly.Global;
  return {
    exports,
    /** The result, and the fuel that it took. */
    spend(name: string, units: number, ...args: number[]): { result: number; used: number } {
      fuel.value = units;
      const result = (exports[name] as Run)(...args);
      return { result, used: units - fuel.value };
    },
  };
}

const metered = (text: string, options = {}) => instantiate(meter(assemble(text), options).bytes);

function refusal(bytes: Uint8Array, options = {}): string {
  try {
    meter(bytes, options);
  } catch (error) {
    assert.ok(error instanceof PluginRefused, String(error));
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  return 'accepted';
}

/** A module of these sections, each [id, ...content]. */
function sections(...list: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...list.flatMap(([id, ...c]) => [id, c.length, ...c])]);
}

/** A module with one function of no parameters whose body is these bytes (with its `end`). */
function withCode(...code: readonly number[]): Uint8Array {
  return sections([1, 1, 0x60, 0, 0], [3, 1, 0], [10, 1, code.length + 1, 0, ...code]);
}

suite('what runs too long stops', () => {
  test('an endless loop', () => {
    const { spend } = metered('(module (func (export "run") (loop $l (br $l))))');
    assert.throws(() => spend('run', 1_000_000), WebAssembly.RuntimeError);
  });

  test('endless recursion, also by tail calls and through a table', () => {
    for (const call of ['call', 'return_call']) {
      const { spend } = metered(`(module (func $f (export "run") (${call} $f)))`);
      assert.throws(() => spend('run', 10_000), /unreachable/);
    }
    const { spend } = metered(`(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
      (func $f (export "run") (call_indirect (type $t) (i32.const 0))))`);
    assert.throws(() => spend('run', 10_000), /unreachable/);
  });

  test('without fuel nothing runs', () => {
    const { spend } = metered('(module (func (export "run") (result i32) (i32.const 7)))');
    assert.throws(() => spend('run', 0), /unreachable/);
    assert.equal(spend('run', 100).result, 7);
  });

  test('a long straight run costs as much as it has instructions', () => {
    const { spend } = metered(`(module (func (export "run") ${'(drop (i32.const 1))'.repeat(1000)}))`);
    assert.ok(spend('run', 1_000_000).used >= 2000);
  });

  test('a long branch is paid when it is taken, and only then', () => {
    const { spend } = metered(`(module (func (export "run") (param i32) (result i32)
      (if (local.get 0) (then ${'(drop (i32.const 1))'.repeat(500)})) (i32.const 1)))`);
    const idle = spend('run', 1_000_000, 0).used;
    assert.ok(idle < 50, `${idle}`);
    assert.ok(spend('run', 1_000_000, 1).used >= 1000);
  });

  test('each round of a loop is paid', () => {
    const { spend } = metered(`(module (func (export "run") (param i32) (result i32)
      (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0))) (local.get 0)))`);
    const ten = spend('run', 1_000_000, 10).used;
    const twenty = spend('run', 1_000_000, 20).used;
    assert.ok(twenty - ten >= 60, `${twenty - ten}`);
  });

  test('a call of the host costs more than one instruction', () => {
    const bytes = meter(
      assemble('(module (import "env" "f" (func $f)) (func (export "run") (call $f)) (func (export "not")))'),
    ).bytes;
    const { spend } = instantiate(bytes, { env: { f: () => undefined } });
    assert.ok(spend('run', 1000).used > spend('not', 1000).used + 50);
  });

  test('memory.fill, copy and init, and those of tables, cost by their length and do what they did', () => {
    const { spend, exports } = metered(`(module (memory (export "memory") 4) (data $d "hello")
      (table $t 2000 funcref) (elem $e func $noop) (func $noop)
      (func (export "fill") (param i32) (memory.fill (i32.const 16) (i32.const 7) (local.get 0)))
      (func (export "copy") (param i32) (local i64) (memory.copy (i32.const 100000) (i32.const 16) (local.get 0)))
      (func (export "init") (param i32) (memory.init $d (i32.const 8) (i32.const 0) (local.get 0)))
      (func (export "tables") (param i32) (table.fill $t (i32.const 0) (ref.null func) (local.get 0))))`);
    const few = spend('fill', 1_000_000, 16).used;
    assert.ok(spend('fill', 1_000_000, 65_536).used >= few + 4000);
    assert.throws(() => spend('fill', 1000, 65_536), /unreachable/);
    assert.ok(spend('copy', 1_000_000, 65_536).used >= 4000);
    spend('init', 1000, 5);
    assert.ok(spend('tables', 1_000_000, 1500).used >= 700);
    const memory = Buffer.from((exports.memory as WebAssembly.Memory).buffer);
    assert.equal(memory.toString('latin1', 8, 13), 'hello');
    assert.ok(memory.subarray(16, 65_552).every((byte) => byte === 7));
    assert.equal(memory[100_000], 7);
    // A length of 2^32 - 1 must not come out as a credit.
    assert.throws(() => spend('fill', 1_000_000, -1), /unreachable/);
  });
});

suite('limits', () => {
  const growing = '(module (memory 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))';

  test('memory grows up to the cap, and beyond it memory.grow fails inside the guest', () => {
    const { spend } = metered(growing, { memoryPages: 4 });
    assert.equal(spend('grow', 20_000, 3).result, 1);
    assert.equal(spend('grow', 20_000, 1).result, -1);
  });

  test('memory that grows is paid for, also by nothing', () => {
    const { spend } = metered(growing, { memoryPages: 4 });
    assert.ok(spend('grow', 20_000, 0).used >= 10_000);
  });

  test('a smaller maximum of its own stays', () => {
    const bytes = assemble(growing.replace('(memory 1)', '(memory 1 2)'));
    assert.deepEqual(meter(bytes, { memoryPages: 4 }).memory, { minimum: 1, maximum: 2 });
  });

  test('a memory that begins above the cap is refused', () => {
    const bytes = assemble(growing.replace('(memory 1)', '(memory 9)'));
    assert.match(refusal(bytes, { memoryPages: 8 }), /memory begins with 9 pages, at most 8 are allowed at offset 0x/);
  });

  test('a table cannot grow without bound', () => {
    const { spend } = metered(`(module (table 1 funcref)
      (func (export "grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))`);
    assert.equal(spend('grow', 1_000_000, 200_000).result, -1);
    assert.equal(spend('grow', 1_000_000, 10).result, 1);
  });

  test('a start section does not run by itself: it becomes an export', () => {
    const bytes = assemble(
      '(module (global $g (mut i32) (i32.const 0)) (export "g" (global $g)) (func $s (global.set $g (i32.const 5))) (start $s))',
    );
    const result = meter(bytes);
    assert.equal(result.startExport, '_mesh_start');
    const { exports, spend } = instantiate(result.bytes);
    assert.equal((exports.g as WebAssembly.Global).value, 0);
    spend('_mesh_start', 100);
    assert.equal((exports.g as WebAssembly.Global).value, 5);
  });
});

suite('what is refused', () => {
  const cases: (readonly [string, Uint8Array, RegExp])[] = [
    ['no module', Buffer.from('#!/bin/sh\n'), /^not a WebAssembly module$/],
    ['an empty file', new Uint8Array(0), /^not a WebAssembly module$/],
    ['a component', Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /component/],
    ['an unknown opcode', withCode(0x27, 0x0b), /unknown opcode 0x27 at offset 0x/],
    ['an unknown opcode behind 0xfc', withCode(0xfc, 0x20, 0x0b), /unknown opcode 0xfc 32 at offset 0x/],
    ['an atomic instruction', withCode(0xfe, 0, 0, 0, 0x0b), /threads .* at offset 0x/],
    ['exceptions', withCode(0x06, 0x40, 0x0b, 0x0b), /exception handling.* at offset 0x/],
    ['a second memory in use', withCode(0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b), /several memories at offset 0x/],
    ['two memories', sections([5, 2, 0, 1, 0, 1]), /several memories/],
    ['a shared memory', sections([5, 1, 3, 1, 1]), /threads \(a shared memory\)/],
    ['a 64-bit memory', sections([5, 1, 4, 1]), /64-bit memory/],
    ['an imported memory', assemble('(module (import "env" "m" (memory 1)))'), /imports the memory env\.m/],
    ['garbage-collected types', sections([1, 1, 0x5f, 0]), /garbage-collected/],
    ['the name of the fuel', assemble('(module (func (export "__fuel")))'), /exports __fuel/],
    ['the name of the start', assemble('(module (func (export "_mesh_start")))'), /exports _mesh_start/],
    ['the fuel written by the guest', withCode(0x41, 1, 0x24, 0, 0x0b), /there is no global 0 at offset/],
    ['the fuel exported again', sections([7, 1, 1, 0x61, 3, 0]), /there is no global 0 at offset/],
    ['sections out of order', sections([3, 0], [1, 0]), /section 1 is not where it belongs at offset 0xb/],
    ['a section twice', sections([1, 0], [1, 0]), /not where it belongs/],
    ['declared functions that are missing', sections([1, 1, 0x60, 0, 0], [3, 1, 0]), /1 functions are declared/],
    ['code behind the end', withCode(0x0b, 0x0b), /code behind the end/],
    ['a body without end', withCode(0x01), /ends too early/],
    ['a number of 33 bits', withCode(0x10, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x0b), /more than 32 bits/],
  ];
  for (const [title, bytes, expected] of cases) {
    test(title, () => assert.match(refusal(bytes), expected));
  }

  test('what is too large', () => {
    assert.match(refusal(new Uint8Array(100), { maxBytes: 99 }), /^larger than 99 bytes$/);
  });
});

suite('what stays as it was', () => {
  test('the same input gives the same output', () => {
    const bytes = assemble('(module (memory 1) (func (export "run") (loop $l (br $l))))');
    assert.deepEqual(meter(bytes).bytes, meter(bytes).bytes);
  });

  test('several results, references, vectors and saturating conversions pass unharmed', () => {
    const { spend } = metered(`(module
      (func $two (param i32) (result i32 i32) (local.get 0) (i32.add (local.get 0) (i32.const 1)))
      (func (export "values") (param i32) (result i32) (call $two (local.get 0)) (i32.mul))
      (func (export "block") (param i32) (result i32) (local.get 0)
        (loop $l (param i32) (result i32) (i32.const 1) (i32.add) ))
      (func (export "simd") (param i32) (result i32)
        (i32x4.extract_lane 2 (i32x4.add (i32x4.splat (local.get 0)) (v128.const i32x4 1 2 3 4))))
      (func (export "shuffle") (param i32) (result i32) (i32x4.extract_lane 0
        (i8x16.shuffle 4 5 6 7 0 0 0 0 0 0 0 0 0 0 0 0 (v128.const i32x4 1 2 3 4) (i32x4.splat (local.get 0)))))
      (func (export "saturate") (param i32) (result i32) (i32.trunc_sat_f32_s (f32.mul (f32.convert_i32_s (local.get 0)) (f32.const 1e30))))
      (func (export "extend") (param i32) (result i32) (i32.extend8_s (local.get 0)))
      (func (export "ref") (param i32) (result i32) (ref.is_null (ref.null extern)))
      (func (export "table") (param i32) (result i32)
        (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 30))) (return (i32.const 20))) (i32.const 10)))`);
    assert.equal(spend('values', 1000, 6).result, 42);
    assert.equal(spend('block', 1000, 6).result, 7);
    assert.equal(spend('simd', 1000, 6).result, 9);
    assert.equal(spend('shuffle', 1000, 6).result, 2);
    assert.equal(spend('saturate', 1000, 6).result, 2 ** 31 - 1);
    assert.equal(spend('extend', 1000, 255).result, -1);
    assert.equal(spend('ref', 1000, 0).result, 1);
    assert.deepEqual(
      [0, 1, 2, 3].map((at) => spend('table', 1000, at).result),
      [10, 20, 30, 30],
    );
  });

  test('names stay, offsets of instructions go', () => {
    const custom = (name: string) => [0, name.length, ...Buffer.from(name), 1, 2, 3];
    const names = ['name', '.debug_info', 'producers', 'sourceMappingURL', 'metadata.code.branch_hint'];
    const module = new WebAssembly.Module(meter(sections(...names.map(custom))).bytes);
    assert.deepEqual(
      names.map((name) => WebAssembly.Module.customSections(module, name).length),
      [1, 0, 1, 0, 0],
    );
  });
});

test('data segments that are announced and not there are refused', () => {
  assert.match(refusal(sections([12, 2])), /2 data segments are announced, 0 are there/);
});

suite('any input', () => {
  const inputs = async (): Promise<Uint8Array[]> => {
    const { filters } = await buildFilters();
    return filters.map(({ name }) => readFileSync(join(OUT, `${name}.wasm`)));
  };

  test('our own filters are valid modules when metered', async () => {
    for (const bytes of await inputs()) assert.ok(WebAssembly.validate(meter(bytes).bytes));
  });

  test('cut off anywhere, a module is refused in one line', async () => {
    const [bytes] = await inputs();
    for (let length = 0; length < bytes.length; length += 7) {
      const cut = bytes.subarray(0, length);
      // A cut between sections may leave a whole module.
      const outcome = refusal(cut);
      if (outcome === 'accepted') assert.ok(WebAssembly.validate(new Uint8Array(cut)), `cut at ${length}`);
    }
  });

  test('with bytes changed at random, it is refused in one line, or what is valid stays valid', async () => {
    let seed = 4711;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    let valid = 0;
    let refused = 0;
    for (const bytes of await inputs()) {
      for (let round = 0; round < 1500; round++) {
        const changed = new Uint8Array(bytes);
        for (let i = random(3); i >= 0; i--) changed[random(changed.length)] = random(256);
        const outcome = refusal(changed);
        if (outcome !== 'accepted') refused++;
        else if (WebAssembly.validate(changed)) {
          valid++;
          assert.ok(WebAssembly.validate(meter(changed).bytes), `round ${round}`);
        }
      }
    }
    assert.ok(valid > 100 && refused > 100, `${valid} valid, ${refused} refused`);
  });
});
