// A second of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/client-hello.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClientHello } from '../../core/transport/tls/client-hello.ts';
import { fuzz, helloFor, inRecords } from './client-hello.ts';

test('whatever the bytes, they are a hello, the beginning of one or none', () => {
  for (const seed of [1, 2, 3]) assert.ok(fuzz(seed, 2_000) > 100);
});

test('a hello is the same in one piece, in bytes and in many records', () => {
  const wanted = { serverName: 'nginx.example.com', protocols: ['h2', 'http/1.1'] };
  const message = helloFor('NGINX.example.com', wanted.protocols);
  for (const most of [message.length, 100, 16]) {
    const bytes = inRecords(message, most);
    assert.deepEqual(readClientHello(bytes), wanted, String(most));
    for (let cut = 0; cut < bytes.length; cut++) assert.equal(readClientHello(bytes.subarray(0, cut)), 'more');
  }
});

test('what claims to be longer than a hello may be, and what is cut into too many records, is none', () => {
  const long = Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0x50, 0]);
  assert.equal(readClientHello(long), null);
  assert.equal(readClientHello(inRecords(helloFor('a.example.com'), 2)), null);
  for (const name of ['a b.example.com', 'a\nb', 'ü', 'a'.repeat(256)]) {
    assert.equal(readClientHello(inRecords(helloFor(name))), null, name);
  }
});
