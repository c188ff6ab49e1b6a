// The head writer and the outbox, byte for byte.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FieldName, Head } from '../../../core/http/head.ts';
import {
  CLOSE,
  refused,
  SILENT,
  writeChunk,
  writeLastChunk,
  writeRequestHead,
  writeResponseHead,
} from '../../../core/http1/encoder.ts';
import { CHUNKED, FIXED, NO_BODY, readRequestHead, requestFacts, UNTIL_CLOSE } from '../../../core/http1/strict.ts';
import { Outbox } from '../../../core/transport/outbox.ts';

/** What the writer wrote, and in how many pieces it was handed to the socket. */
function written(write: (out: Outbox) => void): { text: string; writes: number } {
  const chunks: Buffer[] = [];
  const socket = { writable: true, writableLength: 0, write: (b: Buffer) => chunks.push(b), cork() {}, uncork() {} };
  const out = new Outbox(socket as unknown as Socket, { onOutboxDrained() {}, onOutboxFailed() {} }, 1 << 20);
  write(out);
  out.flush();
  return { text: Buffer.concat(chunks).latin1Slice(), writes: chunks.length };
}

const LIMITS = { maxHeadBytes: 60 << 10, maxFields: 100 };

function received(fields: string, line = 'GET /a HTTP/1.1'): Head {
  const bytes = Buffer.from(`${line}\r\nHost: h:1\r\n${fields}\r\n`, 'latin1');
  assert.equal(readRequestHead(bytes, 0, bytes.length, LIMITS, 'reverse'), 'complete');
  return requestFacts.head!;
}

function rewritten(head: Head): string {
  return written((out) => assert.ok(writeRequestHead(out, head, NO_BODY, -1))).text;
}

test('a received head is written as it was, without what concerns one hop, in one piece', () => {
  const head = received('A: 1\r\nConnection: keep-alive, x\r\nB:2\r\nX: 3\r\nC: \t 4  \r\nD:\r\ne: 5\r\nF: 6\r\n');
  const { text, writes } = written((out) => writeRequestHead(out, head, NO_BODY, -1));
  assert.equal(text, 'GET /a HTTP/1.1\r\nHost: h:1\r\nA: 1\r\nB: 2\r\nC: 4\r\nD: \r\ne: 5\r\nF: 6\r\n\r\n');
  assert.equal(writes, 1);
});

test('removed fields are left out wherever they lie, added ones follow, replaced path and authority are used', () => {
  const fields = ['A: 1\r\n', 'B: 2\r\n', 'C: 3\r\n', 'D: 4\r\n'];
  for (let removed = 0; removed < 16; removed++) {
    const head = received(fields.join(''));
    for (let i = 0; i < 4; i++) if ((removed >> i) & 1) head.remove(new FieldName('ABCD'[i]));
    head.add('X-New', 'v');
    head.newPath = '/b?c';
    head.newAuthority = 'other';
    const kept = fields.filter((_, i) => !((removed >> i) & 1)).join('');
    assert.equal(rewritten(head), `GET /b?c HTTP/1.1\r\nHost: other\r\n${kept}X-New: v\r\n\r\n`);
  }
});

test('names that are no token and values with control characters are dropped and counted, whoever added them', () => {
  const head = received('A: 1\r\n');
  for (const [name, value] of [
    ['Bad Name', 'x'],
    ['', 'x'],
    ['X:', 'x'],
    ['X', 'a\r\nInjected: 1'],
    ['X', 'a\nb'],
    ['X', 'a\0b'],
    ['X', 'a\x7fb'],
    ['X', 'snow\u2603'],
    ['X\u2603', 'a'],
    // Framing is the codec's alone.
    ['Content-Length', '5'],
    ['transfer-encoding', 'chunked'],
    ['Connection', 'close'],
    ['HOST', 'b'],
    ['Upgrade', 'x'],
    ['Trailer', 'x'],
    ['Expect', '100-continue'],
  ]) {
    head.added.push(name, value);
  }
  head.added.push('Fine', 'caf\xe9\t!');
  const before = refused.fields;
  assert.equal(rewritten(head), 'GET /a HTTP/1.1\r\nHost: h:1\r\nA: 1\r\nFine: caf\xe9\t!\r\n\r\n');
  // An empty name is a field removed, which is not worth a count.
  assert.equal(refused.fields - before, 15);
});

test('spans that no codec of HTTP/1 has checked are read before they are copied', () => {
  const bytes = Buffer.from('Good: ok\r\nBad: a\rb\r\nN me: x\r\nhost: evil\r\nLast: \t\r\n', 'latin1');
  const head = new Head(bytes, [0, 4, 6, 2, 10, 3, 15, 3, 20, 4, 26, 1, 29, 4, 35, 4, 41, 4, 47, 1]);
  head.method = 'GET';
  head.newPath = '/';
  head.newAuthority = 'a';
  const before = refused.fields;
  assert.equal(rewritten(head), 'GET / HTTP/1.1\r\nHost: a\r\nGood: ok\r\nLast: \t\r\n\r\n');
  assert.equal(refused.fields - before, 3);
});

test('heads of any size are written whole', () => {
  for (const size of [10, 1000, 70_000, 200_000]) {
    const head = Head.request('GET', 'a', `/${'p'.repeat(size)}`, [['X', 'v'.repeat(size)]]);
    assert.equal(rewritten(head), `GET /${'p'.repeat(size)} HTTP/1.1\r\nHost: a\r\nX: ${'v'.repeat(size)}\r\n\r\n`);
  }
});

test('a response says its status, framing and what becomes of the connection', () => {
  const cases: [number, number, number, number, string][] = [
    [200, FIXED, 1234567890123, SILENT, 'HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 1234567890123\r\n\r\n'],
    [599, CHUNKED, -1, SILENT, 'HTTP/1.1 599 \r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    [404, NO_BODY, 0, CLOSE, 'HTTP/1.1 404 Not Found\r\nA: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    [200, UNTIL_CLOSE, -1, CLOSE, 'HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n'],
  ];
  for (const [status, framing, length, connection, expected] of cases) {
    const head = Head.response(status, [['A', '1']]);
    assert.equal(written((out) => writeResponseHead(out, head, framing, length, connection)).text, expected);
  }
});

test('chunk sizes are right at every power of sixteen, and what is large is not copied', () => {
  for (const size of [1, 15, 16, 255, 256, 4095, 4096, 65_535, 65_536, 1 << 20]) {
    const chunk = Buffer.alloc(size, 'x');
    const { text, writes } = written((out) => {
      writeChunk(out, chunk);
      writeLastChunk(out, null);
    });
    assert.equal(text, `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`);
    assert.equal(writes, size > 4096 ? 3 : 1);
  }
});
