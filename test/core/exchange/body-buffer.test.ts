import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyBuffer } from '../../../core/exchange/body-buffer.ts';

function bodyOf(...chunks: string[]): BodyBuffer {
  const body = new BodyBuffer();
  for (const chunk of chunks) body.append(Buffer.from(chunk));
  return body;
}

test('bytes of a body are replaced wherever they are, in front of it, behind it, and all of them', () => {
  const cases: [start: number, remove: number, expected: string][] = [
    [0, 0, '-abcdef'],
    [0, 2, '-cdef'],
    [1, 3, 'a-ef'],
    [3, 0, 'abc-def'],
    [6, 0, 'abcdef-'],
    [9, 4, 'abcdef-'],
    [4, 9, 'abcd-'],
    [0, 6, '-'],
    [0, 0xffffffff, '-'],
  ];
  for (const [start, remove, expected] of cases) {
    const body = bodyOf('abc', 'def');
    body.splice(start, remove, Buffer.from('-'));
    assert.deepEqual([`${body.bytes()}`, body.length], [expected, expected.length]);
  }
  const emptied = bodyOf('abc', 'def');
  emptied.splice(0, 6, new Uint8Array(0));
  assert.deepEqual([`${emptied.bytes()}`, emptied.length], ['', 0]);
});

test('a copy of what follows some bytes has memory of its own, and leaves the body as it is', () => {
  for (let start = 0; start <= 7; start++) {
    const body = bodyOf('abc', '', 'd', 'efg');
    const copy = body.copy(start);
    assert.equal(`${copy}`, 'abcdefg'.slice(start));
    assert.equal(copy.buffer.byteLength, copy.length);
    copy.fill(0);
    assert.equal(`${body.bytes()}`, 'abcdefg');
  }
});
