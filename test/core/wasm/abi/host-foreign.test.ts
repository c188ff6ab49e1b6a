import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync, inflateSync } from 'node:zlib';
import { FOREIGN_NAMES } from '../../../../core/wasm/abi/host-foreign.ts';
import { Calls } from '../calls.ts';
import { guest } from '../guests.ts';
import { callForeign as call, checkForeign, type ForeignRow, words } from './foreign-rows.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const SERIALIZATION_FAILURE = 3;
const MIB = 1024 * 1024;
const NOT_A_WORD = [
  ['', BAD_ARGUMENT],
  [Uint8Array.of(1, 0, 0), BAD_ARGUMENT],
  [Uint8Array.of(1, 0, 0, 0, 0), BAD_ARGUMENT],
] as const;

/** Those of every guest. */
const ROWS: Readonly<Record<string, ForeignRow>> = {
  compress: { right: 'text', wrong: [[new Uint8Array(MIB + 1), BAD_ARGUMENT]] },
  uncompress: {
    right: deflateSync('text'),
    wrong: [
      ['', SERIALIZATION_FAILURE],
      ['garbage', SERIALIZATION_FAILURE],
      [deflateSync('text').subarray(0, 6), SERIALIZATION_FAILURE],
      [deflateSync(Buffer.alloc(8 * MIB)), SERIALIZATION_FAILURE],
      [new Uint8Array(MIB + 1), BAD_ARGUMENT],
    ],
  },
  clear_route_cache: { right: '', root: BAD_ARGUMENT, wrong: [['parameters are not looked at', OK]] },
  declare_property: { right: 'x', wrong: [['', OK]] },
  weft_resume_after: { right: words(1000), root: BAD_ARGUMENT, wrong: NOT_A_WORD },
  weft_wake_after: { right: words(1000), root: BAD_ARGUMENT, wrong: NOT_A_WORD },
  weft_flag: {
    right: 'FI',
    root: BAD_ARGUMENT,
    wrong: [
      ['', BAD_ARGUMENT],
      ['NOPE', BAD_ARGUMENT],
      ['x'.repeat(100), BAD_ARGUMENT],
    ],
  },
};

const WAKES = `(func (export "proxy_on_foreign_function") (param i32 i32 i32))`;

function opened(): Calls {
  return new Calls(guest({ pages: '80', body: WAKES }));
}

test('there is a row for every foreign function', () => {
  assert.deepEqual(Object.keys(ROWS).sort(), [...FOREIGN_NAMES].sort());
});

for (const [name, row] of Object.entries(ROWS)) {
  test(`${name}: from a stream and from a root, with parameters and pointers that are wrong`, () => {
    checkForeign(name, row, opened);
  });
}

describe('foreign functions', () => {
  test('unknown ones are NOT_FOUND', () => {
    const calls = new Calls();
    assert.equal(call(calls, 'nope'), NOT_FOUND);
    assert.equal(call(calls, 'expr_create'), NOT_FOUND);
    assert.equal(call(calls, 'x'.repeat(200)), NOT_FOUND);
  });

  test('compress and uncompress are inverse', () => {
    const calls = new Calls(guest({ pages: '40' }));
    assert.equal(call(calls, 'compress', 'hello hello hello'), OK);
    const compressed = calls.givenBytes();
    assert.equal(inflateSync(compressed).toString(), 'hello hello hello');
    assert.equal(call(calls, 'uncompress', compressed), OK);
    assert.equal(calls.given(), 'hello hello hello');
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
