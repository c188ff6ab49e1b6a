// Requests and answers on one connection: order, pipelining, framing, what the codec drops and adds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { answer, answerWhenRead, bodies, Peer, type Request, roundTrip, startServer } from './rig.ts';

const HOST = 'Host: a\r\n';

test('requests on one connection are answered one after the other', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  for (const path of ['/1', '/2', '/3']) {
    peer.send(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
    await peer.untilText(`GET ${path}`);
  }
  assert.doesNotMatch(peer.received, /Connection:/);
  assert.equal(rig.connections.size, 1);
});

test('a head keeps the case of names, drops what concerns one hop, and trims values', async (t) => {
  const rig = await startServer(t);
  await roundTrip(
    t,
    rig.port,
    `GET /a?b=c HTTP/1.1\r\n${HOST}X-CasE: \t v w \t \r\nConnection: close, X-Hop\r\nx-hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n` +
      'TE: gzip\r\nTrailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\nEmpty:\r\nX-Case: second\r\n\r\n',
  );
  const [request] = rig.requests;
  assert.equal(request.line, 'GET a /a?b=c');
  assert.equal(request.head!.contentLength, 0);
  assert.deepEqual(request.fields, [
    ['X-CasE', 'v w'],
    ['Empty', ''],
    ['X-Case', 'second'],
  ]);
});

test('of TE what says trailers travels on, once, and nothing else', async (t) => {
  const rig = await startServer(t);
  for (const [te, kept] of [
    ['TE: gzip;q=0.5,\ttrailers , deflate', ['trailers']],
    ['TE: trailers\r\nte: TRAILERS', ['trailers']],
    ['TE: gzip\r\nTE: ,Trailers', ['Trailers']],
    ['TE: trailers;q=0', []],
    ['TE: xtrailers, trailersx', []],
    ['TE:', []],
  ] as const) {
    await roundTrip(t, rig.port, `GET / HTTP/1.1\r\n${HOST}${te}\r\nConnection: close, TE\r\n\r\n`);
    const { head, fields } = rig.requests.pop()!;
    assert.deepEqual([head!.te, fields.map(([, value]) => value)], [kept.length > 0, kept], te);
  }
  await roundTrip(t, rig.port, `GET / HTTP/1.1\r\n${HOST}TE: Trailers\r\nConnection: close, TE\r\n\r\n`);
  assert.deepEqual(rig.requests[0].fields, [['TE', 'Trailers']]);
});

test('pipelined requests are answered in order, whatever order their answers are ready in', async (t) => {
  const rig = await startServer(t, {}, (request) => {
    if (request.head!.path !== '/3') return;
    for (const earlier of [...rig.requests].reverse()) answer(earlier.stream, 200, earlier.head!.path);
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`).join(''));
  assert.deepEqual(bodies(await peer.untilText('\r\n\r\n/3')), ['/1', '/2', '/3']);
});

test('no more pipelined requests are begun than allowed, and the rest is read when there is room', async (t) => {
  let most = 0;
  const open: Request[] = [];
  const rig = await startServer(t, { maxStreams: 2 }, (request) => {
    open.push(request);
    most = Math.max(most, open.length);
    setImmediate(() => {
      const first = open.shift()!;
      answer(first.stream, 200, first.head!.path);
    });
  });
  const peer = await Peer.connect(t, rig.port);
  const paths = Array.from({ length: 40 }, (_, i) => `/${i}`);
  peer.send(paths.map((path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`).join(''));
  assert.deepEqual(bodies(await peer.untilText('\r\n\r\n/39')), paths);
  assert.equal(most, 3);
});

test('a pipelined request that changes something waits for those before it, and those behind wait for it', async (t) => {
  const order: string[] = [];
  const rig = await startServer(t, {}, (request, end) => {
    order.push(`begin ${request.head!.path}`);
    const reply = (): void => {
      setImmediate(() => {
        order.push(`end ${request.head!.path}`);
        answer(request.stream, 200, request.head!.path + request.body);
      });
    };
    if (end) reply();
    else request.onEnd = reply;
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(
    `GET /1 HTTP/1.1\r\n${HOST}\r\nPOST /2 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabcDELETE /3 HTTP/1.1\r\n${HOST}\r\n` +
      `GET /4 HTTP/1.1\r\n${HOST}\r\nGET /5 HTTP/1.1\r\n${HOST}\r\n`,
  );
  assert.deepEqual(bodies(await peer.untilText('\r\n\r\n/5')), ['/1', '/2abc', '/3', '/4', '/5']);
  assert.deepEqual(order.slice(0, 6), ['begin /1', 'end /1', 'begin /2', 'end /2', 'begin /3', 'end /3']);
});

test('what follows a malformed pipelined request is not read, and what came before it is answered first', async (t) => {
  const rig = await startServer(t, {}, (request) => setImmediate(() => answer(request.stream, 200, 'fine')));
  const received = await roundTrip(
    t,
    rig.port,
    `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n${HOST}\r\n`,
  );
  assert.match(received, /^HTTP\/1.1 200 OK\r\n[\s\S]*fineHTTP\/1.1 400 /);
  assert.deepEqual(
    rig.requests.map(({ head, refused }) => [head!.path, refused]),
    [
      ['/1', null],
      ['/2', 'missing_host'],
    ],
  );
});

test('one empty line before a request is forgiven', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  peer.send(`POST /1 HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`);
  assert.deepEqual(bodies(await peer.untilText('GET /2')), ['POST /1', 'GET /2']);
});

test('bodies arrive whole by length and by chunks, extensions dropped, with their trailers', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  peer.send(`POST /1 HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`);
  await peer.untilText('POST /1');
  peer.send(
    `POST /2 HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n3;ext="a;b"\r\nabc\r\n00A\r\n0123456789\r\n0\r\n` +
      'X-Sum: \t7 \r\nContent-Length: 99\r\nAuthorization: x\r\nx-Forwarded-For: 1.2.3.4\r\nLast: \r\n\r\n',
  );
  await peer.untilText('POST /2');
  const [first, second] = rig.requests;
  assert.deepEqual([first.body, first.head!.contentLength, first.trailers], ['hello', 5, null]);
  assert.deepEqual([second.body, second.head!.contentLength], ['abc0123456789', -1]);
  assert.deepEqual(second.trailers, [
    ['X-Sum', '7'],
    ['Last', ''],
  ]);
});

test('the answer is framed by the codec: length, chunks, trailers, and none for HEAD, 204 and 304', async (t) => {
  const rig = await startServer(t, {}, ({ stream, head }) => {
    const path = head!.path;
    const answerHead = Head.response(path === '/204' ? 204 : path === '/304' ? 304 : 200);
    if (path === '/chunked' || path === '/trailers') answerHead.contentLength = -1;
    else answerHead.contentLength = 5;
    const end = head!.method === 'HEAD' || path === '/204' || path === '/304';
    stream.writeHead(answerHead, end);
    if (end) return;
    stream.writeData(Buffer.from('hello'), path !== '/trailers');
    if (path === '/trailers') stream.writeTrailers(Head.response(0, [['X-Sum', '1']]));
  });
  const peer = await Peer.connect(t, rig.port);
  const expected: [string, string][] = [
    ['GET /length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['GET /chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['GET /trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'],
    ['HEAD /length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['HEAD /chunked', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['GET /204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['GET /304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ];
  let all = '';
  for (const [request, response] of expected) {
    peer.send(`${request} HTTP/1.1\r\n${HOST}\r\n`);
    all += response;
    await peer.until(({ received }) => received.length >= all.length);
    assert.equal(peer.received, all);
  }
});

test('a head and its body leave in one write', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  let events = 0;
  peer.socket.on('data', () => events++);
  peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`);
  await peer.untilText('GET /2');
  assert.equal(events, 1);
});

test('HTTP/1.0 closes after the answer, and a body of unknown length ends with the connection', async (t) => {
  const rig = await startServer(t, {}, ({ stream, head }) => {
    const answerHead = Head.response(200);
    answerHead.contentLength = head!.path === '/unknown' ? -1 : 5;
    stream.writeHead(answerHead, false);
    stream.writeData(Buffer.from('hello'), true);
  });
  assert.equal(
    await roundTrip(t, rig.port, `GET / HTTP/1.0\r\n${HOST}\r\n`),
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
  );
  for (const asked of ['', 'Connection: keep-alive\r\n']) {
    assert.equal(
      await roundTrip(t, rig.port, `GET /unknown HTTP/1.0\r\n${HOST}${asked}\r\n`),
      'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello',
    );
  }
  assert.equal(rig.requests[0].stream.protocol, 'HTTP/1.0');
});

test('HTTP/1.0 with keep-alive is told so and may ask again', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET /1 HTTP/1.0\r\n${HOST}Connection: Keep-Alive\r\n\r\n`);
  await peer.untilText('GET /1');
  assert.match(peer.received, /\r\nConnection: keep-alive\r\n/);
  peer.send(`GET /2 HTTP/1.0\r\n${HOST}\r\n`);
  await peer.until(({ ended }) => ended);
  assert.deepEqual(bodies(peer.received), ['GET /1', 'GET /2']);
});

test('Connection: close of the client and closeAfterResponse of the owner end the connection and say so', async (t) => {
  const rig = await startServer(t, {}, (request, end) => {
    if (request.head!.path === '/last') request.stream.closeAfterResponse();
    answerWhenRead(request, end);
  });
  for (const request of [`GET / HTTP/1.1\r\n${HOST}Connection: CLOSE\r\n\r\n`, `GET /last HTTP/1.1\r\n${HOST}\r\n`]) {
    const received = await roundTrip(t, rig.port, `${request}GET /more HTTP/1.1\r\n${HOST}\r\n`);
    assert.match(received, /\r\nConnection: close\r\n/);
    assert.equal(bodies(received).length, 1);
  }
});
