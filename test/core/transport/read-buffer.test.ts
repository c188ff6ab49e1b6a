// Bytes that are lent: who holds them for longer than a callback gets them as they were. `npm test` has what was lent and
// not kept overwritten at once, so each of these reads nonsense where a keeper forgets to say so.

import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { DownstreamStream, ServerConnection } from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import { http1 } from '../../../core/http1/codec.ts';
import { Timers } from '../../../core/timers.ts';
import { enter, leave } from '../../../core/transport/outbox.ts';
import { passBorrowed, retainBytes } from '../../../core/transport/read-buffer.ts';
import { answer, answerWhenRead, bodies, Peer, Recorded, startServer, transportOver } from '../http1/rig.ts';

const LARGE = 20_000;
const BODY = 'b'.repeat(LARGE);

/** As a piece of an upstream's answer comes: what it brings leaves before its memory is written over. */
function writeLent(stream: DownstreamStream, text: string, end: boolean): void {
  const receiver = {
    receive(piece: Buffer): void {
      enter();
      stream.writeData(piece, end);
      leave();
    },
  };
  passBorrowed(receiver, Buffer.from(text));
}

function largeAnswer(stream: DownstreamStream): void {
  const head = Head.response(200);
  head.contentLength = LARGE;
  stream.writeHead(head, false);
  writeLent(stream, BODY, true);
}

test('what is lent is kept only by who says so, and else overwritten under test', () => {
  const piece = Buffer.from(BODY);
  assert.equal(passBorrowed({ receive: () => retainBytes() }, piece), false);
  assert.equal(piece.latin1Slice(), BODY);
  assert.equal(passBorrowed({ receive: () => {} }, piece), true);
  if (process.env.WEFT_OVERWRITE_BORROWED === '1') assert.ok(piece.every((byte) => byte === 0xdd));
});

test('a large answer that comes before its turn waits as it was', async (t) => {
  const { port, requests } = await startServer(t, {}, (request) => {
    if (requests.length === 2) {
      setImmediate(() => {
        largeAnswer(request.stream);
        answer(requests[0].stream, 200, 'first');
      });
    }
  });
  const peer = await Peer.connect(t, port);
  peer.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
  await peer.until(({ received }) => bodies(received)[1]?.length === LARGE);
  const [first, second] = bodies(peer.received);
  assert.equal(first, 'first');
  assert.ok(second === BODY);
});

test('a large answer to a connection that is no plain socket arrives as it was', async (t) => {
  const timers = new Timers(5);
  const [near, far] = duplexPair();
  const connection: ServerConnection = http1.serve(
    transportOver(far),
    {
      onRequest(stream) {
        setImmediate(() => largeAnswer(stream));
        return new Recorded();
      },
      onMalformed() {
        assert.fail('a request was not understood');
      },
    },
    {
      mode: 'reverse',
      maxHeadBytes: 60 << 10,
      maxFields: 100,
      headerTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      maxStreams: 4,
      timers,
    },
  );
  t.after(async () => {
    connection.destroy();
    timers.stop();
  });
  near.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let received = '';
  for await (const chunk of near) {
    received += (chunk as Buffer).latin1Slice();
    if (bodies(received)[0]?.length === LARGE) break;
  }
  assert.ok(bodies(received)[0] === BODY);
});

test('a request behind a large body, in the same bytes, is read as it was when its turn comes', async (t) => {
  const { port, requests } = await startServer(t, {}, (request, end) => {
    if (requests.length !== 1) answerWhenRead(request, end);
    // Later: until then the rest of what was read waits.
    else request.onEnd = () => setImmediate(() => answer(request.stream, 200, 'first'));
  });
  const peer = await Peer.connect(t, port);
  const post = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nX-Path: ${path}\r\nContent-Length: ${LARGE}\r\n\r\n${BODY}`;
  peer.send(`${post('/1')}${post('/2')}`);
  await peer.untilText('POST /2');
  assert.deepEqual(
    requests.map(({ line, body, fields }) => [line, body === BODY, fields[0]]),
    [
      ['POST a /1', true, ['X-Path', '/1']],
      ['POST a /2', true, ['X-Path', '/2']],
    ],
  );
});

test('trailers that begin in the bytes of a large body are whole', async (t) => {
  const { port, requests } = await startServer(t, {}, (request, end) => {
    request.onDataHook = () => setImmediate(() => peer.send('e: 7\r\n\r\n'));
    answerWhenRead(request, end);
  });
  const peer = await Peer.connect(t, port);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nX-Kept: as it was\r\nTransfer-Encoding: chunked\r\n\r\n';
  peer.send(`${head}${LARGE.toString(16)}\r\n${BODY}\r\n0\r\nX-Sum: 1\r\nX-On`);
  await peer.untilText('POST /');
  assert.deepEqual(requests[0].trailers, [
    ['X-Sum', '1'],
    ['X-One', '7'],
  ]);
  // The head came in the same bytes, and is looked at when these are long overwritten.
  assert.equal(requests[0].head!.valueAt(0), 'as it was');
});
