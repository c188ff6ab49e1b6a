// A few seconds of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/http1.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, fuzz } from './http1.ts';

/** What fuzzing found once. */
const FOUND: [string, string][] = [
  ['client', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nNul: \0\r\nContent-Length: 5, 5\r\n\n'],
  [
    'server',
    'PUT / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n',
  ],
  ['client', `HTTP/1.1 103 Hints\r\n\r\n\r\n\r\nhelloHTTP/1.0 200 OK\r\nX: ${'y'.repeat(3000)}\r\n\r\n`],
  ['server', `\n\r\n\r\nGET / HTTP/1.1\r\nX: ${'y'.repeat(3000)}\r\n\r\n`],
];

for (const [side, text] of FOUND) {
  test(`found once: ${side} ${JSON.stringify(text.slice(0, 60))}`, () => compare(side === 'server', text));
}

for (const seed of [1, 2]) {
  test(`bytes mean the same in whatever pieces they come (seed ${seed})`, async () => {
    assert.ok((await fuzz(seed, 1500)) >= 100);
  });
}
