// Bytes in the SDK, searched as a string is.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { type ASUtil, instantiateSync } from '@assemblyscript/loader';

import { compileModule } from '../../asbuild/compile.ts';

const SDK = join(import.meta.dirname, '../../filters/sdk');

const TEXT = `
import { utf8 } from './slice';
import { beginCallback } from './arena';
export function indexOf(text: string, byte: i32, from: i32, length: i32): i32 {
  beginCallback();
  return utf8(text).part(0, length).indexOf(<u8>byte, from);
}`;

interface Exports extends Record<string, unknown> {
  indexOf(text: number, byte: number, from: number, length: number): number;
  _initialize(): void;
}

const bytes = await compileModule(SDK, TEXT, ['--runtime', 'minimal', '--exportRuntime']);
const { exports } = instantiateSync<ASUtil & Exports>(bytes, {
  env: { abort: () => assert.fail('the module aborted') },
});
exports._initialize();

test('a byte is found at its first place at or after another, and not behind the end', () => {
  // Neighbours of the one that is searched, and bytes with the highest bit, are what could be taken for it.
  const alphabet = ['+', ',', '-', '\u00ac', 'é', '\0', '\u007f'];
  for (let length = 0; length < 40; length++) {
    for (let turn = 0; turn < 30; turn++) {
      let text = '';
      for (let i = 0; i < length; i++)
        text += alphabet[(i * 7 + turn * (i + 3) + ((i * turn) >> 2)) % (turn % 3 === 0 ? 7 : 2)];
      const encoded = Buffer.from(text);
      const end = Math.max(0, encoded.length - (turn % 4));
      const from = turn % 5;
      const pointer = exports.__newString(text);
      for (const byte of [44, 0, 0xac, 0x7f]) {
        const expected = encoded.subarray(0, end).indexOf(byte, from);
        assert.equal(
          exports.indexOf(pointer, byte, from, end),
          from >= end ? -1 : expected,
          JSON.stringify({ text, byte }),
        );
      }
    }
  }
});
