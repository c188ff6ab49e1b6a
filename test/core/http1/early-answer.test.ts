// An upstream that answers in the middle of an upload and closes, often with RST, since it leaves bytes unread: its answer is read
// before the connection is given up.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { Recorded, settled, startClient } from './rig.ts';

const ANSWERS: [string, string, string][] = [
  ['a length', 'HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\n', 'no!'],
  ['a length, and says that it closes', 'HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\n', 'no!'],
  ['chunks', 'HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n', '3\r\nno!\r\n0\r\n\r\n'],
  ['no length', 'HTTP/1.0 413 No\r\n\r\n', 'no!'],
];

for (const [what, head, body] of ANSWERS) {
  for (const framing of ['chunked', 'fixed']) {
    test(`an answer with ${what} is whole although a ${framing} upload failed before it was read`, async (t) => {
      const { connection, peer } = await startClient(t);
      const told = new Recorded();
      const stream = connection.open(told);
      const request = Head.request('PUT', 'a', '/');
      request.contentLength = framing === 'chunked' ? -1 : 1 << 30;
      stream.writeHead(request, false);
      await peer.untilText('\r\n\r\n');
      // As when the loop is busy with the client that uploads: nothing is read of what the upstream sends.
      stream.pauseReading();
      peer.send(head + body);
      const gone = once(peer.socket, 'close');
      peer.socket.resetAndDestroy();
      await gone;
      for (let i = 0; i < 5; i++) {
        stream.writeData(Buffer.alloc(64 << 10), false);
        await new Promise(setImmediate);
      }
      assert.equal(told.head, null);
      assert.equal(connection.capacity, 0);
      stream.resumeReading();
      await settled(told);
      assert.deepEqual([told.head!.status, told.body, told.reset], [head.includes('401') ? 401 : 413, 'no!', null]);
    });
  }
}

test('an answer that is not whole stays so, and no answer is a reset', async (t) => {
  for (const [text, reset] of [
    ['HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\nno!', 'reset_after_response'],
    ['HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n', 'reset_after_response'],
    ['HTTP/1.1 413 No\r\nContent-', 'reset_before_response'],
    ['', 'reset_before_response'],
  ]) {
    const { connection, peer } = await startClient(t);
    const told = new Recorded();
    const stream = connection.open(told);
    const request = Head.request('PUT', 'a', '/');
    request.contentLength = -1;
    stream.writeHead(request, false);
    await peer.untilText('\r\n\r\n');
    stream.pauseReading();
    peer.send(text);
    const gone = once(peer.socket, 'close');
    peer.socket.resetAndDestroy();
    await gone;
    for (let i = 0; i < 3; i++) {
      stream.writeData(Buffer.alloc(64 << 10), false);
      await new Promise(setImmediate);
    }
    stream.resumeReading();
    await settled(told);
    assert.equal(told.reset, reset);
  }
});

test('a body without a length that is cut off after its request was sent is not whole', async (t) => {
  const { connection, peer } = await startClient(t);
  const told = new Recorded();
  connection.open(told).writeHead(Head.request('GET', 'a', '/'), true);
  await peer.untilText('\r\n\r\n');
  peer.send('HTTP/1.0 200 OK\r\n\r\npart');
  told.onDataHook = () => peer.socket.resetAndDestroy();
  await settled(told);
  assert.equal(told.reset, 'reset_after_response');
});
