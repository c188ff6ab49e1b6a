// What a client says before anything is encrypted, and what is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClientHello } from '../../../../core/transport/tls/client-hello.ts';

const sized = (bytes: 1 | 2 | 3, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
};
const number = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([number(type), sized(2, body)]);
const serverName = (name: string, type = 0): Buffer =>
  extension(0, sized(2, Buffer.concat([Buffer.of(type), sized(2, Buffer.from(name))])));
const alpn = (...names: string[]): Buffer =>
  extension(16, sized(2, ...names.map((name) => sized(1, Buffer.from(name)))));

const message = (extensions: readonly Buffer[] | null): Buffer => {
  const fixed = [number(0x0303), Buffer.alloc(32, 7), sized(1), sized(2, number(0x1301)), sized(1, Buffer.of(0))];
  return Buffer.concat([Buffer.of(1), sized(3, ...fixed, ...(extensions === null ? [] : [sized(2, ...extensions)]))]);
};
const record = (part: Buffer): Buffer => Buffer.concat([Buffer.of(0x16, 3, 1), sized(2, part)]);
const hello = (...extensions: Buffer[]): Buffer => record(message(extensions));

test('a name and protocols are read', () => {
  const read = readClientHello(hello(extension(23, Buffer.alloc(0)), serverName('A.Example.'), alpn('h2', 'http/1.1')));
  assert.deepEqual(read, { serverName: 'a.example', protocols: ['h2', 'http/1.1'] });
  assert.deepEqual(readClientHello(hello()), { serverName: '', protocols: [] });
  assert.deepEqual(readClientHello(record(message(null))), { serverName: '', protocols: [] });
  const behind = Buffer.concat([hello(serverName('a.b')), Buffer.from('more')]);
  assert.deepEqual(readClientHello(behind), { serverName: 'a.b', protocols: [] });
});

test('a part of one is waited for, wherever it ends', () => {
  const whole = hello(serverName('a.b'));
  for (let length = 0; length < whole.length; length++)
    assert.equal(readClientHello(whole.subarray(0, length)), 'more');
});

test('one in several records is put together', () => {
  const whole = message([serverName('a.b')]);
  for (let at = 1; at < whole.length; at++) {
    const bytes = Buffer.concat([record(whole.subarray(0, at)), record(whole.subarray(at))]);
    assert.deepEqual(readClientHello(bytes), { serverName: 'a.b', protocols: [] });
  }
  assert.equal(readClientHello(Buffer.concat([...whole].map((byte) => record(Buffer.of(byte))))), null);
});

test('what is none is told at once', () => {
  const none = [
    Buffer.from('GET / HTTP/1.1\r\n'),
    Buffer.of(0x16, 2),
    Buffer.of(0x15, 3, 3, 0, 2, 2, 40),
    Buffer.of(0x16, 3, 1, 0, 0),
    Buffer.of(0x16, 3, 1, 0x50, 0),
    record(Buffer.concat([Buffer.of(2), sized(3, Buffer.alloc(40))])),
    Buffer.of(0x16, 3, 1, 0x40, 0, 1, 1, 0, 0),
    hello(serverName('a b')),
    hello(serverName('a\n.b')),
    hello(serverName('')),
    hello(extension(0, sized(2, Buffer.of(0, 0, 9, 1)))),
    hello(extension(16, sized(2, Buffer.of(9, 1)))),
    record(message([Buffer.of(0, 0, 0, 9)])),
    record(Buffer.concat([Buffer.of(1), sized(3, Buffer.alloc(10))])),
  ];
  for (const bytes of none) assert.equal(readClientHello(bytes), null, bytes.toString('hex'));
});

test('whatever is changed in one, it is one, none, or not whole', () => {
  const whole = hello(serverName('a.example'), alpn('h2'));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(whole);
      changed[at] = value;
      const read = readClientHello(changed);
      if (read === null || read === 'more') continue;
      assert.match(read.serverName, /^[a-z0-9_.-]*$/);
    }
  }
});
