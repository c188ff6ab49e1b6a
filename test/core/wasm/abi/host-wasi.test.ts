import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GuestExit } from '../../../../core/wasm/abi/abort.ts';
import { WASI_FUNCTIONS } from '../../../../core/wasm/abi/wasi.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const SUCCESS = 0;
const BAD = 8;
const FAULT = 21;
const INVALID = 28;
const NO_ENTRY = 44;
const NOT_CAPABLE = 52;
const NOT_SUPPORTED = 58;

type Parameters = readonly (number | bigint)[];

interface Row {
  readonly call: (calls: Calls) => Parameters;
  /** Of that call; SUCCESS by default. */
  readonly errno?: number;
  /** Which parameters are pointers that are read or written. */
  readonly memory?: readonly number[];
  /** Parameters put in the place of the right ones, by index, and the error. */
  readonly wrong?: readonly (readonly [index: number, value: number, errno: number])[];
}

/** One that needs no thought: the same whatever it is given. */
const constant = (errno: number): Row => ({
  call: () => [],
  errno,
});
const NO_FILE = [
  [0, 0, BAD],
  [0, 3, BAD],
  [0, -1, BAD],
] as const;

function vectors(calls: Calls, ...texts: string[]): [number, number] {
  const words = texts.flatMap((text) => calls.put(text));
  const [at] = calls.put(new Uint8Array(Uint32Array.from(words).buffer));
  return [at, texts.length];
}

const ROWS: Readonly<Record<string, Row>> = {
  args_get: constant(SUCCESS),
  args_sizes_get: { call: () => [64, 68], memory: [0, 1] },
  clock_res_get: { call: () => [0, 64], memory: [1] },
  clock_time_get: {
    call: () => [0, 0n, 64],
    memory: [2],
    wrong: [
      [0, 2, NOT_SUPPORTED],
      [0, 3, NOT_SUPPORTED],
      [0, -1, NOT_SUPPORTED],
    ],
  },
  environ_get: { call: () => [64, 100], memory: [0, 1] },
  environ_sizes_get: { call: () => [64, 68], memory: [0, 1] },
  fd_advise: constant(SUCCESS),
  fd_allocate: constant(NOT_SUPPORTED),
  fd_close: constant(SUCCESS),
  fd_datasync: constant(NOT_SUPPORTED),
  fd_fdstat_get: { call: () => [1, 64], memory: [1], wrong: NO_FILE },
  fd_fdstat_set_flags: constant(NOT_CAPABLE),
  fd_filestat_get: constant(BAD),
  fd_filestat_set_size: constant(NOT_SUPPORTED),
  fd_pread: constant(NOT_SUPPORTED),
  fd_prestat_dir_name: constant(NOT_CAPABLE),
  fd_prestat_get: constant(BAD),
  fd_pwrite: constant(NOT_SUPPORTED),
  fd_read: constant(NOT_CAPABLE),
  fd_readdir: constant(NOT_SUPPORTED),
  fd_seek: constant(SUCCESS),
  fd_sync: constant(NOT_SUPPORTED),
  fd_tell: constant(NOT_SUPPORTED),
  fd_write: { call: (c) => [1, ...vectors(c, 'a', 'b'), 64], memory: [1, 2, 3], wrong: [...NO_FILE, [2, 0, SUCCESS]] },
  path_create_directory: constant(NOT_SUPPORTED),
  path_filestat_get: constant(NOT_SUPPORTED),
  path_open: constant(NO_ENTRY),
  path_readlink: constant(NOT_SUPPORTED),
  path_remove_directory: constant(NOT_SUPPORTED),
  path_rename: constant(NOT_SUPPORTED),
  path_unlink_file: constant(NOT_SUPPORTED),
  poll_oneoff: { call: () => [0, 0, 1, 64], memory: [3] },
  random_get: {
    call: () => [64, 32],
    memory: [0],
    wrong: [
      [1, 0, SUCCESS],
      [1, 64 * 1024, FAULT],
      [1, 64 * 1024 + 1, INVALID],
      [1, -1, INVALID],
    ],
  },
  sched_yield: constant(SUCCESS),
};

const opened = (): Calls => new Calls(guest(), new TestStream(), { env: { A: '1', LONG: 'x y' } });

/** Zeros, and numbers that are no place in any memory. */
function nonsense(signature: string): Parameters[] {
  return [0, FAR, -1].map((value) => [...signature].map((type) => (type === 'I' ? BigInt(value) : value)));
}

test('there is a row for every function of WASI but proc_exit, with as many parameters', () => {
  assert.deepEqual([...Object.keys(ROWS), 'proc_exit'].sort(), Object.keys(WASI_FUNCTIONS).sort());
  const calls = opened();
  for (const [name, row] of Object.entries(ROWS)) {
    const parameters = row.call(calls);
    if (row.memory !== undefined) assert.equal(parameters.length, WASI_FUNCTIONS[name].length, name);
  }
});

for (const [name, row] of Object.entries(ROWS)) {
  test(`${name}: from a stream and a root, with pointers, lengths and descriptors that are wrong`, () => {
    const calls = opened();
    const errno = row.errno ?? SUCCESS;
    if (row.memory === undefined) {
      for (const parameters of nonsense(WASI_FUNCTIONS[name])) assert.equal(calls.wasi(name, ...parameters), errno);
      return;
    }
    const right = row.call(calls);
    const replaced = (index: number, value: number): Parameters => right.map((one, at) => (at === index ? value : one));
    assert.equal(calls.wasi(name, ...right), errno);
    for (const index of row.memory) {
      for (const bad of [FAR, WRAPPING, -1]) {
        assert.equal(calls.wasi(name, ...replaced(index, bad)), FAULT, `parameter ${index} is ${bad}`);
      }
    }
    for (const [index, value, expected] of row.wrong ?? []) {
      assert.equal(calls.wasi(name, ...replaced(index, value)), expected, `parameter ${index} is ${value}`);
    }
    assert.equal(calls.as(calls.plugin.root).wasi(name, ...right), errno, 'from a root');
  });
}

describe('what WASI functions do', () => {
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

  test('a text that is too long is cut in the log, and counted as written', () => {
    const calls = opened();
    assert.equal(calls.wasi('fd_write', 1, ...vectors(calls, 'x'.repeat(5000), 'y'.repeat(5000)), 64), SUCCESS);
    assert.equal(calls.u32(), 10_000);
    assert.equal(calls.lines.length, 1);
    assert.match(calls.lines[0].message, /^test: x{4096}$/);
  });

  const print = (calls: Calls, ...texts: readonly string[]): void => {
    for (const text of texts) assert.equal(calls.wasi('fd_write', 2, ...vectors(calls, text), 64), SUCCESS);
  };
  const messages = (calls: Calls): string[] => calls.lines.map(({ message }) => message);

  test('words become a line', () => {
    const calls = opened();
    print(calls, 'one ', 'line', '\n', 'and ', 'another\n', 'an end');
    assert.deepEqual(messages(calls), ['test: one line', 'test: and another']);
    calls.instance.end(null);
    assert.deepEqual(messages(calls).at(-1), 'test: an end', 'what has no end is written with its callback');
  });

  test('a panic is one entry, with its stack, however it is printed', () => {
    for (const panic of [
      ['panic: ', 'boom', '\n', '\n', 'goroutine 1 [running]:\n', 'main.main', '()\n'],
      [...'panic: runtime error: index out of range\n'],
      ["thread '", 'main', "' panicked at ", 'src/lib.rs:3:5:\n', 'boom', '\n'],
    ]) {
      const calls = opened();
      print(calls, ...panic);
      calls.instance.die();
      const [entry, ...more] = messages(calls);
      assert.deepEqual(more, []);
      assert.equal(entry, `test: ${panic.join('').trimEnd()}`);
    }
  });

  test('what is printed stands before what is logged after it', () => {
    const calls = opened();
    print(calls, 'printed');
    calls.env('proxy_log', 2, ...calls.put('logged'));
    assert.deepEqual(messages(calls), ['test: printed', 'test: logged']);
  });

  test('a vector that points nowhere writes nothing', () => {
    const calls = opened();
    const [at] = calls.put(new Uint8Array(Uint32Array.from([64, 4, FAR, 4]).buffer));
    assert.equal(calls.wasi('fd_write', 1, at, 2, 64), FAULT);
    assert.deepEqual(calls.lines, []);
  });

  test('proc_exit ends the guest with its code, whatever it is; 0 while starting is no failure', () => {
    const calls = opened();
    for (const code of [0, 1, -1]) {
      assert.throws(
        () => calls.wasi('proc_exit', code),
        (error) => error instanceof GuestExit && error.code === code,
      );
    }
    const exits = (code: number): Uint8Array =>
      guest({
        imports: '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))',
        body: `(func (export "_start") (call $exit (i32.const ${code})))`,
      });
    const { runtime } = runtimeFor();
    runtime.configure(specFor(exits(0)));
    assert.throws(() => runtime.configure(specFor(exits(3))), /exited with code 3/);
    runtime.stop();
  });
});
