// The other direction: requests written and answers read on one upstream connection, and how it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { get, Recorded, settled, startClient } from './rig.ts';

test('requests follow each other on one connection, each known as the first or a later one', async (t) => {
  const { connection, peer } = await startClient(t);
  for (const n of [1, 2, 3]) {
    const answer = new Recorded();
    const stream = connection.open(answer);
    assert.equal(stream.reused, n > 1);
    assert.deepEqual([stream.sent, stream.answered, connection.capacity], [false, false, 0]);
    stream.writeHead(Head.request('GET', 'app:80', `/${n}`, [['X-A', 'b']]), true);
    await peer.untilText(`GET /${n} HTTP/1.1\r\nHost: app:80\r\nX-A: b\r\n\r\n`);
    assert.equal(stream.sent, true);
    const available = new Promise<void>((resolve) => (connection.onAvailable = resolve));
    peer.send('HTTP/1.1 200 Sure\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello');
    await available;
    assert.equal(stream.answered, true);
    assert.deepEqual([answer.head!.status, answer.fields, answer.body], [200, [['Server', 'x']], 'hello']);
    assert.deepEqual([connection.capacity, connection.activeStreams], [1, 0]);
  }
});

test('the request is framed by the codec: nothing, a length, zero, chunks, trailers', async (t) => {
  const { connection, peer } = await startClient(t);
  const cases: [string, number, (stream: ReturnType<typeof connection.open>) => void, string][] = [
    ['GET', 0, () => {}, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['DELETE', 0, () => {}, 'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['POST', 0, () => {}, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'],
    [
      'GET',
      3,
      (stream) => stream.writeData(Buffer.from('abc'), true),
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
    ],
    [
      'PUT',
      -1,
      (stream) => {
        stream.writeData(Buffer.from('abc'), false);
        stream.writeData(Buffer.alloc(0), false);
        stream.writeData(Buffer.from('0123456789abcdef'), true);
      },
      'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n',
    ],
    [
      'PUT',
      -1,
      (stream) => {
        stream.writeData(Buffer.from('abc'), false);
        stream.writeTrailers(Head.response(0, [['X-Sum', '1']]));
      },
      'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n',
    ],
  ];
  let all = '';
  for (const [method, length, write, expected] of cases) {
    const answer = new Recorded();
    const stream = connection.open(answer);
    const head = Head.request(method, 'a', '/');
    head.contentLength = length;
    stream.writeHead(head, length === 0);
    write(stream);
    all += expected;
    await peer.until(({ received }) => received.length >= all.length);
    assert.equal(peer.received, all);
    peer.send('HTTP/1.1 204 x\r\n\r\n');
    await settled(answer);
    await new Promise(setImmediate);
  }
});

test('answers end by length, chunks with trailers, close, or at once for HEAD, 204 and 304', async (t) => {
  const cases: [string, string, string, number, boolean][] = [
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', 2, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length:\t2\t\r\n\r\nok', 'ok', 2, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '', 0, true],
    ['GET', 'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n', 'ok', -1, true],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', '', 2, true],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '', -1, true],
    ['GET', 'HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n', '', 0, true],
    ['GET', 'HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n', '', 2, true],
    ['GET', 'HTTP/1.1 304 No\r\n\r\n', '', -1, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok', 'ok', 2, false],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', 2, false],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok', 'ok', 2, true],
  ];
  for (const [method, text, body, length, goesOn] of cases) {
    const { connection, peer } = await startClient(t);
    const answer = get(connection, method);
    await peer.untilText('\r\n\r\n');
    peer.send(text);
    await settled(answer);
    await new Promise(setImmediate);
    assert.deepEqual([answer.body, answer.head!.contentLength, answer.reset], [body, length, null], text);
    assert.equal(connection.capacity, goesOn ? 1 : 0, text);
    if (text.includes('X-T')) assert.deepEqual(answer.trailers, [['X-T', '1']]);
  }
});

test('a body without framing ends when the connection does', async (t) => {
  for (const version of ['1.0', '1.1']) {
    const { connection, peer } = await startClient(t);
    const closed = new Promise<void>((resolve) => (connection.onClosed = resolve));
    const answer = get(connection);
    await peer.untilText('\r\n\r\n');
    peer.send(`HTTP/${version} 200 OK\r\n\r\nall`);
    peer.socket.end();
    await settled(answer);
    assert.deepEqual([answer.body, answer.head!.contentLength, answer.reset], ['all', -1, null]);
    await closed;
    assert.equal(connection.capacity, 0);
  }
});

test('interim answers are swallowed', async (t) => {
  const { connection, peer } = await startClient(t);
  const answer = get(connection);
  await peer.untilText('\r\n\r\n');
  peer.send(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  );
  await settled(answer);
  assert.deepEqual([answer.head!.status, answer.fields, answer.reset], [200, [], null]);
});

test('bytes on an idle connection close it', async (t) => {
  const { connection, peer } = await startClient(t);
  const closed = new Promise<void>((resolve) => (connection.onClosed = resolve));
  peer.send('HTTP/1.1 408 Request Timeout\r\n\r\n');
  await closed;
  assert.equal(connection.capacity, 0);
});

test('bytes after an answer are never taken for the answer to the next request', async (t) => {
  const { connection, peer } = await startClient(t);
  const closed = new Promise<void>((resolve) => (connection.onClosed = resolve));
  let offered = 0;
  connection.onAvailable = () => offered++;
  const answer = get(connection);
  await peer.untilText('\r\n\r\n');
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  await settled(answer);
  await closed;
  assert.deepEqual([answer.body, offered], ['ok', 0]);
});

test('an answer before any request is a protocol error', async (t) => {
  const { connection, peer } = await startClient(t);
  const answer = new Recorded();
  connection.open(answer);
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await settled(answer);
  assert.equal(answer.reset, 'protocol_error');
});

test('an answer may come before the request is finished; the connection is used again only after both', async (t) => {
  const { connection, peer } = await startClient(t);
  let offered = 0;
  connection.onAvailable = () => offered++;
  const answer = new Recorded();
  const stream = connection.open(answer);
  const head = Head.request('POST', 'a', '/');
  head.contentLength = 6;
  stream.writeHead(head, false);
  stream.writeData(Buffer.from('abc'), false);
  await peer.untilText('abc');
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await settled(answer);
  assert.deepEqual([answer.ended, connection.capacity, connection.activeStreams, offered], [true, 0, 1, 0]);
  stream.writeData(Buffer.from('def'), true);
  assert.deepEqual([connection.capacity, offered], [1, 1]);
  await peer.untilText('abcdef');
});

test('giving up a request that is not finished closes its connection, although it was answered', async (t) => {
  const { connection, peer } = await startClient(t);
  const answer = new Recorded();
  const stream = connection.open(answer);
  const head = Head.request('POST', 'a', '/');
  head.contentLength = 6;
  stream.writeHead(head, false);
  await peer.untilText('\r\n\r\n');
  peer.send('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n');
  await settled(answer);
  stream.reset();
  await peer.until(({ closed, ended }) => closed || ended);
  assert.equal(answer.reset, null);
});

test('a close tells how far the answer had come', async (t) => {
  const cases: [string, string | null, boolean, string][] = [
    ['', 'reset_before_response', false, 'fin'],
    ['', 'reset_before_response', false, 'rst'],
    ['HTTP/1.1 200 OK\r\nConte', 'reset_before_response', true, 'fin'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 'reset_after_response', true, 'fin'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'reset_after_response', true, 'fin'],
  ];
  for (const [text, reason, answered, how] of cases) {
    const { connection, peer } = await startClient(t);
    const answer = new Recorded();
    const stream = connection.open(answer);
    stream.writeHead(Head.request('GET', 'a', '/'), true);
    await peer.untilText('\r\n\r\n');
    if (text !== '') peer.send(text);
    if (how === 'fin') peer.socket.end();
    else peer.socket.resetAndDestroy();
    await settled(answer);
    assert.deepEqual([answer.reset, stream.answered, stream.sent], [reason, answered, true], `${text} ${how}`);
  }
});

test('a reset by the owner closes the connection and tells the owner nothing', async (t) => {
  const { connection, peer } = await startClient(t);
  const answer = new Recorded();
  const closed = new Promise<void>((resolve) => (connection.onClosed = resolve));
  const stream = connection.open(answer);
  stream.writeHead(Head.request('GET', 'a', '/'), true);
  await peer.untilText('\r\n\r\n');
  stream.reset();
  stream.reset();
  assert.equal(connection.capacity, 0);
  await closed;
  assert.deepEqual([answer.reset, answer.ended], [null, false]);
  assert.throws(() => connection.open(answer), /in use or closed/);
});

test('a body longer or shorter than its request announced never reaches the wire as another request', async (t) => {
  for (const [body, end] of [
    ['abcGET /smuggled', false],
    ['ab', true],
  ] as const) {
    const { connection, peer } = await startClient(t);
    const answer = new Recorded();
    const stream = connection.open(answer);
    const head = Head.request('POST', 'a', '/');
    head.contentLength = 3;
    stream.writeHead(head, false);
    stream.writeData(Buffer.from(body), end);
    await settled(answer);
    assert.equal(answer.reset, 'filter_failed');
    await peer.until(({ closed, ended }) => closed || ended);
    assert.doesNotMatch(peer.received, /smuggled/);
  }
});

test('a path or an authority that would break the request line is not written', async (t) => {
  for (const [authority, path] of [
    ['a', '/x HTTP/1.1\r\nX: y'],
    ['a', ''],
    ['a', '/é'],
    ['a\r\nX: y', '/'],
    ['a/b', '/'],
  ]) {
    const { connection, peer } = await startClient(t);
    const answer = new Recorded();
    connection.open(answer).writeHead(Head.request('GET', authority, path), true);
    await settled(answer);
    assert.equal(answer.reset, 'filter_failed');
    await peer.until(({ closed, ended }) => closed || ended);
    assert.equal(peer.received, '');
  }
});
