import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/head.ts';
import { answer, answerWhenRead, Peer, type Request, roundTrip, startServer } from './rig.ts';

const HOST = 'Host: a\r\n';

/** Bodies of the answers in a byte stream of fixed-length answers. */
function bodies(received: string): string[] {
  const found: string[] = [];
  let rest = received;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const length = Number(/Content-Length: (\d+)/.exec(rest.slice(0, end))![1]);
    found.push(rest.slice(end, end + length));
    rest = rest.slice(end + length);
  }
  return found;
}

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

test('TE travels on when it says trailers and nothing else', async (t) => {
  const rig = await startServer(t);
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
  const rig = await startServer(t, { maxPipelined: 2 }, (request) => {
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
  assert.match(received, /^HTTP\/1.1 200 OK\r\n[^]*fineHTTP\/1.1 400 /);
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
    ['GET /304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
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

test('100 Continue is sent once the request was taken, and not when it was answered at once', async (t) => {
  const rig = await startServer(t, {}, (request, end) => {
    if (request.head!.path === '/no') answer(request.stream, 403);
    else answerWhenRead(request, end);
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`POST /yes HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n`);
  assert.equal(await peer.untilText('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  peer.send('hello');
  await peer.untilText('POST /yes');
  assert.equal(rig.requests[0].body, 'hello');
  assert.deepEqual(rig.requests[0].fields, []);

  const refused = await roundTrip(
    t,
    rig.port,
    `POST /no HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
  );
  assert.match(refused, /^HTTP\/1.1 403 Forbidden\r\nConnection: close\r\n/);
});

test('another expectation is 417', async (t) => {
  const rig = await startServer(t);
  const received = await roundTrip(
    t,
    rig.port,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: a-miracle\r\n\r\nhello`,
  );
  assert.match(received, /^HTTP\/1.1 417 [^]*\r\nConnection: close\r\n/);
  assert.equal(rig.requests[0].refused, 'unknown_expectation');
});

test('an upgrade is refused and the connection goes on; an offer of h2c is ignored', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  peer.send(
    `GET /ws HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n` +
      `POST /ws HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc` +
      `GET /plain HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n` +
      `GET /no HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n\r\n`,
  );
  await peer.untilText('GET /no');
  assert.deepEqual(
    rig.requests.map(({ head, refused }) => [head!.path, refused]),
    [
      ['/ws', 'upgrade_refused'],
      ['/ws', 'upgrade_refused'],
      ['/plain', null],
      ['/no', null],
    ],
  );
  assert.deepEqual(bodies(peer.received), ['', '', 'GET /plain', 'GET /no']);
});

test('absolute-form overrides Host where requests are forwarded, and the path is never empty', async (t) => {
  const rig = await startServer(t, { mode: 'forward' });
  const peer = await Peer.connect(t, rig.port);
  peer.send(
    `GET http://b:8080/x?y HTTP/1.1\r\n${HOST}\r\nGET HTTP://b HTTP/1.1\r\n${HOST}\r\nGET https://b?q HTTP/1.1\r\n${HOST}\r\n` +
      `OPTIONS http://b HTTP/1.1\r\n${HOST}\r\nOPTIONS * HTTP/1.1\r\n${HOST}\r\nGET /x HTTP/1.1\r\n${HOST}\r\nGET http://[::1]:80/ HTTP/1.0\r\n\r\n`,
  );
  await peer.until(({ ended }) => ended);
  assert.deepEqual(
    rig.requests.map(({ line, stream, head }) => [line, stream.destination, head!.scheme]),
    [
      ['GET b:8080 /x?y', 'b:8080', 'http'],
      ['GET b /', 'b', 'http'],
      ['GET b /?q', 'b', 'https'],
      ['OPTIONS b *', 'b', 'http'],
      ['OPTIONS a *', null, 'http'],
      ['GET a /x', null, 'http'],
      ['GET [::1]:80 /', '[::1]:80', 'http'],
    ],
  );
});

test('an absolute target with userinfo or another scheme is refused', async (t) => {
  const rig = await startServer(t, { mode: 'forward' });
  for (const target of ['http://u@b/', 'ftp://b/', 'http:///x', 'http://b:99999/', 'http://b#f', 'http:/b']) {
    assert.match(await roundTrip(t, rig.port, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1.1 400 /, target);
  }
});

test('bytes after an accepted CONNECT, also pipelined, are requests to its authority whatever their Host says', async (t) => {
  const rig = await startServer(t, { mode: 'forward' }, (request, end) => {
    if (request.head!.method === 'CONNECT') request.stream.acceptTunnel(request.head!.authority);
    else answerWhenRead(request, end);
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`CONNECT b:9080 HTTP/1.1\r\nHost: b:9080\r\n\r\nGET /1 HTTP/1.1\r\n${HOST}\r\n`);
  await peer.untilText('GET /1');
  peer.send(`POST /2 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`);
  await peer.untilText('POST /2');
  assert.ok(peer.received.startsWith('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: '));
  assert.deepEqual(
    rig.requests.map(({ line, stream }) => [line, stream.destination]),
    [
      ['CONNECT b:9080 ', null],
      ['GET a /1', 'b:9080'],
      ['POST a /2', 'b:9080'],
    ],
  );
});

test('after a refused CONNECT the connection closes, since what follows may have been meant for the tunnel', async (t) => {
  const rig = await startServer(t, { mode: 'forward' }, ({ stream }) => answer(stream, 403));
  const received = await roundTrip(
    t,
    rig.port,
    `CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`,
  );
  assert.match(received, /^HTTP\/1.1 403 [^]*Connection: close\r\n/);
  assert.equal(rig.requests.length, 1);
});

test('a head that does not come to its end is 408', async (t) => {
  const rig = await startServer(t, { headerTimeoutMs: 30 });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET / HTTP/1.1\r\n${HOST}`);
  assert.match(await peer.rest(), /^HTTP\/1.1 408 [^]*Connection: close\r\n/);
  assert.equal(rig.requests[0].refused, 'header_timeout');
});

test('the head of a later request has its own time', async (t) => {
  const rig = await startServer(t, { headerTimeoutMs: 30 });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP`);
  const received = await peer.rest();
  assert.match(received, /^HTTP\/1.1 200 OK\r\n[^]*GET \/1HTTP\/1.1 408 /);
});

test('an idle connection is closed, one with a request in progress is not', async (t) => {
  const rig = await startServer(t, { idleTimeoutMs: 30 }, (request) => {
    setTimeout(() => answer(request.stream, 200, 'late'), 150);
  });
  const idle = await Peer.connect(t, rig.port);
  const busy = await Peer.connect(t, rig.port);
  busy.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  assert.equal(await idle.rest(), '');
  assert.match(await busy.rest(), /late$/);
});

test('a client that sent FIN after its request still gets the answer', async (t) => {
  const rig = await startServer(t, {}, (request) => setImmediate(() => answer(request.stream, 200, 'yes')));
  for (const requests of [1, 2]) {
    const received = await roundTrip(t, rig.port, `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(requests), true);
    assert.deepEqual(bodies(received), Array(requests).fill('yes'));
  }
});

test('a client that goes away is reported to the owner of every request in progress', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const rig = await startServer(t, {}, () => rig.requests.length === 2 && arrived.resolve());
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`);
  await arrived.promise;
  const gone = Promise.all(rig.requests.map((request) => new Promise<void>((done) => (request.onEnd = done))));
  peer.socket.resetAndDestroy();
  await gone;
  assert.deepEqual(
    rig.requests.map(({ reset }) => reset),
    ['client_gone', 'client_gone'],
  );
});

test('a body that ends too early is a client that went away', async (t) => {
  for (const body of ['Content-Length: 5\r\n\r\nab', 'Transfer-Encoding: chunked\r\n\r\n3\r\nab']) {
    const rig = await startServer(t);
    await roundTrip(t, rig.port, `POST / HTTP/1.1\r\n${HOST}${body}`, true);
    assert.equal(rig.requests[0].reset, 'client_gone');
    assert.equal(rig.requests[0].ended, false);
  }
});

test('an early answer keeps the connection when little of the request is left, and that little is thrown away', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => answer(stream, 413));
  const peer = await Peer.connect(t, rig.port);
  peer.send(`POST /1 HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nGET /`);
  await peer.untilText('413');
  peer.send(`5678 GET /2 HTTP/1.1\r\n${HOST}\r\n`);
  await peer.until(({ received }) => received.split('413').length === 3);
  assert.deepEqual(
    rig.requests.map(({ line, bytes }) => [line, bytes]),
    [
      ['POST a /1', 0],
      ['GET a /2', 0],
    ],
  );
});

test('an early answer closes the connection when much is left, and arrives all the same', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => answer(stream, 413));
  for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
    const peer = await Peer.connect(t, rig.port);
    const chunk = framing.startsWith('T')
      ? `4000\r\n${'GET /x'.repeat(3000).slice(0, 0x4000)}\r\n`
      : 'x'.repeat(16_384);
    peer.send(`POST / HTTP/1.1\r\n${HOST}${framing}\r\n\r\n`);
    for (let i = 0; i < 8; i++) peer.send(chunk);
    assert.match(await peer.rest(), /^HTTP\/1.1 413 /);
  }
  assert.equal(rig.requests.length, 2);
});

test('an answer longer or shorter than announced is cut off, never continued into the next', async (t) => {
  const rig = await startServer(t, {}, ({ stream, head }) => {
    const answerHead = Head.response(200);
    answerHead.contentLength = 5;
    stream.writeHead(answerHead, false);
    stream.writeData(Buffer.from(head!.path === '/long' ? 'helloHTTP/1.1 200 OK\r\n\r\n' : 'hel'), true);
  });
  for (const [path, body] of [
    ['/long', 'hello'],
    ['/short', 'hel'],
  ]) {
    const received = await roundTrip(t, rig.port, `GET ${path} HTTP/1.1\r\n${HOST}\r\nGET / HTTP/1.1\r\n${HOST}\r\n`);
    assert.equal(received, `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${body}`);
  }
});

test('reset in the middle of an answer closes the connection; a body that ends by closing gets an RST', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => {
    const answerHead = Head.response(200);
    answerHead.contentLength = -1;
    stream.writeHead(answerHead, false);
    stream.writeData(Buffer.from('part'), false);
    setImmediate(() => {
      stream.reset();
      stream.reset();
      stream.writeData(Buffer.from('more'), true);
    });
  });
  const chunked = await roundTrip(t, rig.port, `GET / HTTP/1.1\r\n${HOST}\r\n`);
  assert.match(chunked, /4\r\npart\r\n$/);
  const peer = await Peer.connect(t, rig.port);
  const errors: string[] = [];
  peer.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code!));
  peer.send(`GET / HTTP/1.0\r\n${HOST}\r\n`);
  await peer.until(({ closed }) => closed).catch(() => undefined);
  assert.deepEqual(errors, ['ECONNRESET']);
});

test('drain closes idle connections at once and busy ones after an answer that says so', async (t) => {
  const arrived = Promise.withResolvers<Request>();
  const rig = await startServer(t, {}, (request) => arrived.resolve(request));
  const idle = await Peer.connect(t, rig.port);
  const busy = await Peer.connect(t, rig.port);
  busy.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  const request = await arrived.promise;
  for (const connection of rig.connections) connection.drain();
  assert.equal(await idle.rest(), '');
  answer(request.stream, 200, 'last');
  assert.match(await busy.rest(), /Connection: close\r\n[^]*last$/);
  assert.equal(rig.requests.length, 1);
});

test('the owner hears once that a connection has closed, with its addresses still known', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await peer.untilText('GET /');
  const { connection } = rig.requests[0].stream;
  const port = peer.socket.localPort;
  const closed = new Promise((resolve) => peer.socket.once('close', resolve));
  peer.socket.end();
  await closed;
  await new Promise(setImmediate);
  assert.equal(rig.closed, 1);
  assert.deepEqual(
    [connection.remoteAddress, connection.remotePort, connection.localAddress, connection.localPort],
    ['127.0.0.1', port, '127.0.0.1', rig.port],
  );
});
