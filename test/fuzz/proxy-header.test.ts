// A moment of the fuzz target, with the same seeds every time, and what is read of headers by hand. Longer: `node
// test/fuzz/proxy-header.ts 600`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxyHeader } from '../../core/transport/proxy-header.ts';
import { binaryHeader, fuzz } from './proxy-header.ts';

test('whatever the bytes, they are a header, the beginning of one or none', () => {
  for (const seed of [1, 2, 3]) assert.ok(fuzz(seed, 2_000) > 200);
});

test('the client and where it went are read of both versions', () => {
  const origin = { remoteAddress: '192.0.2.1', remotePort: 56324, localAddress: '192.0.2.2', localPort: 443 };
  const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n';
  assert.deepEqual(readProxyHeader(Buffer.from(`${line}GET /`)), { origin, length: line.length });
  const body = Buffer.from([192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb, 4, 0, 1, 9]);
  assert.deepEqual(readProxyHeader(binaryHeader(0x11, body)), { origin, length: 32 });
  const ipv6 = Buffer.concat([Buffer.from('20010db8000000000000000000000001'.repeat(2), 'hex'), Buffer.of(0, 1, 0, 2)]);
  const read = readProxyHeader(binaryHeader(0x21, ipv6));
  assert.equal(read !== 'more' && read?.origin?.remoteAddress, '2001:db8::1');
  for (const local of [binaryHeader(0, Buffer.alloc(0), 0x20), binaryHeader(0x11, body, 0x20)]) {
    assert.deepEqual(readProxyHeader(local), { origin: null, length: local.length });
  }
  assert.deepEqual(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\n')), { origin: null, length: 15 });
});

test('what is not well-formed is none, as soon as that shows', () => {
  const lines = [
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 1\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 056 443\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n',
    'PROXY TCP4 2001:db8::1 192.0.2.2 1 443\r\n',
    'PROXY TCP4  192.0.2.1 192.0.2.2 1 443\r\n',
    'PROXY TCP6 fe80::1%eth0 2001:db8::1 1 443\r\n',
    'PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n',
    'proxy TCP4 192.0.2.1 192.0.2.2 1 443\r\n',
    `PROXY UNKNOWN ${'a'.repeat(100)}\r\n`,
    `PROXY ${'a'.repeat(200)}`,
    '\r\n\r\nGET',
  ];
  for (const line of lines) assert.equal(readProxyHeader(Buffer.from(line)), null, line);
  const body = Buffer.alloc(12);
  const wrong = [
    binaryHeader(0x11, body, 0x11),
    binaryHeader(0x11, body, 0x22),
    binaryHeader(0x11, body.subarray(1)),
    binaryHeader(0x12, body),
    binaryHeader(0x31, Buffer.alloc(216)),
    binaryHeader(0x00, body),
    binaryHeader(0x11, Buffer.concat([body, Buffer.of(4, 0, 9, 1)])),
    binaryHeader(0x11, body, 0x21, 5000),
  ];
  for (const bytes of wrong) assert.equal(readProxyHeader(bytes), null, bytes.toString('hex'));
  assert.equal(readProxyHeader(Buffer.from('PROXY TCP4 1')), 'more');
});
