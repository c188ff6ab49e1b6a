// Interim answers (1xx) and who waits for one: written to clients that know them, read from upstreams, in their order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { answer, bodies, get, Peer, Recorded, roundTrip, settled, startClient, startServer } from './rig.ts';

const HOST = 'Host: a\r\n';
const HINTS = Head.response(103, [['Link', '</a.css>']]);
const CONTINUE = Head.response(100);

test('interim answers are written before the head, and to no client of HTTP/1.0', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => {
    stream.writeInterim(HINTS);
    stream.writeInterim(Head.response(102));
    stream.writeInterim(Head.response(199, [['X', 'y']]));
    answer(stream, 200, 'ok');
    stream.writeInterim(HINTS);
  });
  const last = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
  assert.equal(
    await roundTrip(t, rig.port, `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`),
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n' +
      `HTTP/1.1 199 \r\nX: y\r\n\r\n${last}`,
  );
  assert.equal(await roundTrip(t, rig.port, `GET / HTTP/1.0\r\n${HOST}\r\n`), last);
});

test('an interim answer to a pipelined request waits for its turn, and its writer with it', async (t) => {
  const took: boolean[] = [];
  const rig = await startServer(t, {}, (request) => {
    if (request.head!.path === '/1') return;
    took.push(request.stream.writeInterim(HINTS));
    request.onWritableHook = () => answer(request.stream, 200, '/2');
    setImmediate(() => answer(rig.requests[0].stream, 200, '/1'));
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`);
  const received = await peer.untilText('\r\n\r\n/2');
  assert.match(received, /^HTTP\/1.1 200 [\s\S]*\/1HTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>\r\n\r\nHTTP\/1.1 200 /);
  assert.deepEqual(took, [false]);
});

test('a client that waits for 100 Continue may go on after it, and may not know where it is without', async (t) => {
  const rig = await startServer(t, {}, (request) => {
    if (request.head!.path === '/no') answer(request.stream, 403);
    else {
      request.stream.writeInterim(CONTINUE);
      request.onEnd = () => answer(request.stream, 200, request.body);
    }
  });
  const peer = await Peer.connect(t, rig.port);
  const head = (path: string): string =>
    `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n`;
  peer.send(head('/yes'));
  assert.equal(await peer.untilText('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  peer.send(`hello${head('/no')}`);
  assert.match(await peer.rest(), /hello[\s\S]*HTTP\/1.1 403 Forbidden\r\nConnection: close\r\n/);
  assert.deepEqual(
    rig.requests.map((request) => [request.head!.expectContinue, request.fields]),
    [
      [true, []],
      [true, []],
    ],
  );
});

test('a client that said it would wait and does not keeps its connection after an early answer', async (t) => {
  const rig = await startServer(t, {}, (request) => {
    if (request.head!.method === 'GET') answer(request.stream, 200, 'next');
    else request.onDataHook = () => answer(request.stream, 403);
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhel`);
  await peer.untilText('403');
  peer.send(`loGET / HTTP/1.1\r\n${HOST}\r\n`);
  assert.deepEqual(bodies(await peer.untilText('next')), ['', 'next']);
});

test('nobody waits in HTTP/1.0 nor without a body', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => answer(stream, 200));
  for (const head of [
    `POST / HTTP/1.0\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello`,
    `GET / HTTP/1.1\r\n${HOST}Connection: close\r\nExpect: 100-continue\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Connection: close\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n`,
  ]) {
    assert.match(await roundTrip(t, rig.port, head), /^HTTP\/1.1 200 /);
    assert.equal(rig.requests.at(-1)!.head!.expectContinue, false);
  }
});

test('an expectation is sent on with a body and not without one', async (t) => {
  const { connection, peer } = await startClient(t);
  for (const [length, lines] of [
    [3, 'Expect: 100-continue\r\nContent-Length: 3\r\n'],
    [-1, 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n'],
    [0, 'Content-Length: 0\r\n'],
  ] as const) {
    peer.received = '';
    const told = new Recorded();
    const head = Head.request('POST', 'a', '/');
    head.expectContinue = true;
    head.contentLength = length;
    const stream = connection.open(told);
    stream.writeHead(head, length === 0);
    await peer.untilText('\r\n\r\n');
    assert.equal(peer.received, `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
    if (length !== 0) stream.writeData(Buffer.from('abc'), true);
    peer.send('HTTP/1.1 204 x\r\n\r\n');
    await settled(told);
    await new Promise(setImmediate);
  }
});

test('interim answers are told with their fields and without what concerns one hop, and the answer follows them', async (t) => {
  const { connection, peer } = await startClient(t);
  for (const method of ['GET', 'HEAD']) {
    const told = get(connection, method);
    await peer.untilText('\r\n\r\n');
    peer.received = '';
    peer.send(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\nKeep-Alive: 5\r\n\r\n' +
        `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${method === 'GET' ? 'ok' : ''}`,
    );
    await settled(told);
    assert.deepEqual(told.interim, [[100], [103, ['Link', '</a>']], [102]]);
    assert.deepEqual([told.head!.status, told.body], [200, method === 'GET' ? 'ok' : '']);
    await new Promise(setImmediate);
    assert.equal(connection.capacity, 1);
  }
});

test('an answer in HTTP/1.0 says so of its upstream', async (t) => {
  for (const version of ['1.0', '1.1']) {
    const { connection, peer } = await startClient(t);
    const told = new Recorded();
    const stream = connection.open(told);
    stream.writeHead(Head.request('GET', 'a', '/'), true);
    await peer.untilText('\r\n\r\n');
    peer.send(`HTTP/${version} 200 OK\r\nContent-Length: 0\r\n\r\n`);
    await settled(told);
    assert.equal(stream.http10, version === '1.0');
  }
});
