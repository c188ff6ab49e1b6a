// How a server connection ends: time-outs, FIN and RST, early and broken answers, draining.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Head } from '../../../core/http/head.ts';
import { Timers } from '../../../core/timers.ts';
import { answer, answerWhenRead, bodies, Peer, type Request, roundTrip, startServer } from './rig.ts';

const HOST = 'Host: a\r\n';

test('a head that does not come to its end is 408', async (t) => {
  const rig = await startServer(t, { headerTimeoutMs: 30 });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET / HTTP/1.1\r\n${HOST}`);
  assert.match(await peer.rest(), /^HTTP\/1.1 408 [\s\S]*Connection: close\r\n/);
  assert.equal(rig.requests[0].refused, 'header_timeout');
});

test('the head of a later request has its own time', async (t) => {
  const rig = await startServer(t, { headerTimeoutMs: 30 });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP`);
  const received = await peer.rest();
  assert.match(received, /^HTTP\/1.1 200 OK\r\n[\s\S]*GET \/1HTTP\/1.1 408 /);
});

test('an idle connection is closed, one with a request in progress is not', async (t) => {
  const { timers, pass } = handTurned();
  const arrived = Promise.withResolvers<Request>();
  const rig = await startServer(t, { timers, idleTimeoutMs: 30 }, (request) => arrived.resolve(request));
  const idle = await Peer.connect(t, rig.port);
  const busy = await Peer.connect(t, rig.port);
  busy.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  const request = await arrived.promise;
  pass(60);
  assert.equal(await idle.rest(), '');
  answer(request.stream, 200, 'late');
  await busy.untilText('late');
  pass(60);
  assert.match(await busy.rest(), /late$/);
});

test('a client that sent FIN and waits is given up, as in Envoy: an upstream must not work for nobody', async (t) => {
  const rig = await startServer(t, {}, () => {});
  await roundTrip(t, rig.port, `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`, true);
  assert.deepEqual(
    rig.requests.map(({ reset }) => reset),
    ['client_gone', 'client_gone'],
  );
});

test('an answer that was ready when FIN came is delivered', async (t) => {
  const rig = await startServer(t);
  const received = await roundTrip(t, rig.port, `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`, true);
  assert.deepEqual(bodies(received), ['GET /1', 'GET /2']);
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

test('drain waits a grace for requests of idle connections, new ones among them, and each answer says that it is the last', async (t) => {
  const { timers, pass } = handTurned();
  const rig = await startServer(t, { timers });
  const [idle, late, fresh, silent] = await Promise.all([1, 2, 3, 4].map(() => Peer.connect(t, rig.port)));
  for (const peer of [idle, late]) {
    peer.send(`GET /1 HTTP/1.1\r\n${HOST}\r\n`);
    await peer.untilText('GET /1');
  }
  while (rig.connections.size < 4) await delay(1);
  for (const connection of rig.connections) connection.drain(1000);
  pass(900);
  for (const peer of [late, fresh]) {
    peer.send(`GET /last HTTP/1.1\r\n${HOST}\r\n`);
    assert.match(await peer.rest(), /Connection: close\r\nContent-Length: \d+\r\n\r\nGET \/last$/);
  }
  pass(200);
  assert.match(await idle.rest(), /GET \/1$/);
  assert.equal(await silent.rest(), '');
});

test('an answer under way when drain comes says that it is the last if it can, and else another request is heard', async (t) => {
  const { timers, pass } = handTurned();
  const arrived = Promise.withResolvers<void>();
  const rig = await startServer(t, { timers }, (request, end) => {
    if (request.head!.path === '/last') answerWhenRead(request, end);
    else if (rig.requests.length === 2) arrived.resolve();
  });
  const waiting = await Peer.connect(t, rig.port);
  waiting.send(`GET /waiting HTTP/1.1\r\n${HOST}\r\n`);
  const begun = await Peer.connect(t, rig.port);
  begun.send(`GET /begun HTTP/1.1\r\n${HOST}\r\n`);
  await arrived.promise;
  const of = (path: string): Request => rig.requests.find(({ head }) => head!.path === path)!;
  const head = Head.response(200);
  head.contentLength = 4;
  of('/begun').stream.writeHead(head, false);
  for (const connection of rig.connections) connection.drain(1000);
  answer(of('/waiting').stream, 200, 'done');
  assert.match(await waiting.rest(), /Connection: close\r\n[\s\S]*done$/);
  of('/begun').stream.writeData(Buffer.from('done'), true);
  await begun.untilText('done');
  assert.doesNotMatch(begun.received, /Connection/);
  pass(900);
  begun.send(`GET /last HTTP/1.1\r\n${HOST}\r\n`);
  assert.match(await begun.rest(), /done[\s\S]*Connection: close\r\n[\s\S]*GET \/last$/);
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

/** A wheel that turns when the test says so. */
function handTurned(): { timers: Timers; pass(ms: number): void } {
  let now = 0;
  const timers = new Timers(10, () => now);
  return {
    timers,
    pass(ms) {
      now += ms;
      timers.advance();
    },
  };
}

test('the last answer of a connection reaches a slow client whole, however long it takes', async (t) => {
  const { timers, pass } = handTurned();
  const size = 48 << 20;
  const written = Promise.withResolvers<void>();
  const rig = await startServer(t, { timers, headerTimeoutMs: 100 }, ({ stream }) => {
    const head = Head.response(200);
    head.contentLength = size;
    stream.closeAfterResponse();
    stream.writeHead(head, false);
    // One piece, as a filter hands it on that held the whole body.
    stream.writeData(Buffer.alloc(size, 'x'), true);
    written.resolve();
  });
  const peer = await Peer.connect(t, rig.port);
  let received = 0;
  peer.socket.removeAllListeners('data');
  peer.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await written.promise;
  for await (const chunk of peer.socket as AsyncIterable<Buffer>) {
    received += chunk.length;
    // Far longer than any time-out of the codec, in total; never without progress in between.
    pass(250);
    await new Promise(setImmediate);
  }
  assert.ok(received > size, `${received} bytes`);
});

test('a client that takes nothing of its last answer is given up', async (t) => {
  const { timers, pass } = handTurned();
  const written = Promise.withResolvers<void>();
  const rig = await startServer(t, { timers, headerTimeoutMs: 100 }, ({ stream }) => {
    const head = Head.response(200);
    head.contentLength = 64 << 20;
    stream.closeAfterResponse();
    stream.writeHead(head, false);
    stream.writeData(Buffer.alloc(64 << 20), true);
    written.resolve();
  });
  const peer = await Peer.connect(t, rig.port);
  peer.socket.pause();
  peer.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await written.promise;
  while (rig.connections.size > 0) {
    // The kernel's buffers fill up first, which is progress.
    await delay(10);
    pass(30_000);
  }
  assert.equal(rig.closed, 1);
});

test('a malformed pipelined request does not cut short the answer before it', async (t) => {
  const { timers, pass } = handTurned();
  const begun = Promise.withResolvers<Request>();
  const rig = await startServer(t, { timers, headerTimeoutMs: 100 }, (request) => begun.resolve(request));
  const peer = await Peer.connect(t, rig.port);
  peer.send(`GET / HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n\r\n`);
  const request = await begun.promise;
  pass(60_000);
  answer(request.stream, 200, 'late');
  assert.match(await peer.rest(), /late[\s\S]*HTTP\/1.1 400 /);
});

test('nothing is read after a connection was cut off, although it had arrived', async (t) => {
  const rig = await startServer(t, {}, ({ stream }) => stream.reset());
  await roundTrip(t, rig.port, `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`);
  assert.equal(rig.requests.length, 1);
});

test('a status that ends no exchange is written as 500', async (t) => {
  const rig = await startServer(t, {}, ({ stream, head }) => answer(stream, Number(head!.path.slice(1)), 'x'));
  for (const status of [100, 101, 0, 1000]) {
    const received = await roundTrip(t, rig.port, `GET /${status} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    assert.match(received, /^HTTP\/1.1 500 /);
  }
});
