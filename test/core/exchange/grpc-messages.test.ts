import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcMessages } from '../../../core/exchange/grpc-messages.ts';
import { Head } from '../../../core/http/head.ts';

function message(length: number): Buffer {
  const bytes = Buffer.alloc(5 + length, 255);
  bytes[0] = 0;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const call = (type = 'application/grpc') => Head.request('POST', 'a', '/a.B/C', [['content-type', type]]);

test('messages are counted as they begin, however the body is cut', () => {
  const body = Buffer.concat([message(0), message(3), message(70_000), message(0), message(256)]);
  for (const size of [1, 2, 3, 7, 4096, body.length]) {
    const { sent, received } = GrpcMessages.of(call('application/grpc+proto'))!;
    for (let at = 0; at < body.length; at += size) sent.add(body.subarray(at, at + size));
    assert.deepEqual([sent.count, received.count], [5, 0], String(size));
  }
});

test('a prefix that is not whole is no message, and a length of four bytes is one', () => {
  const { received } = GrpcMessages.of(call())!;
  received.add(Buffer.from([0, 255, 255, 255]));
  assert.equal(received.count, 0);
  received.add(Buffer.from([255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  assert.equal(received.count, 1);
});

test('what is no call counts nothing', () => {
  assert.equal(GrpcMessages.of(call('text/plain')), null);
});
