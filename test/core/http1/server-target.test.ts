// Where a request wants to go and what it expects: absolute-form, CONNECT, Upgrade, an Expect that nobody knows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../until.ts';
import { Peer, roundTrip, startServer } from './rig.ts';

const HOST = 'Host: a\r\n';

test('another expectation is 417', async (t) => {
  const rig = await startServer(t);
  const received = await roundTrip(
    t,
    rig.port,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: a-miracle\r\n\r\nhello`,
  );
  assert.match(received, /^HTTP\/1.1 417 [\s\S]*\r\nConnection: close\r\n/);
  assert.equal(rig.requests[0].refused, 'unknown_expectation');
});

test('an offer to change the protocol that is no WebSocket, has a body, or is not for this hop is ignored', async (t) => {
  const rig = await startServer(t);
  const peer = await Peer.connect(t, rig.port);
  const upgrade = 'Connection: Upgrade\r\nUpgrade: ';
  peer.send(
    `POST /ws HTTP/1.1\r\n${HOST}${upgrade}foo/1,\twebsocket\r\nContent-Length: 3\r\n\r\nabc` +
      `GET /h2c HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n` +
      `GET /tls HTTP/1.1\r\n${HOST}${upgrade}TLS/1.2\r\n\r\n` +
      `POST /foo HTTP/1.1\r\n${HOST}${upgrade}foo, my-websocket\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n` +
      `GET /no HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n\r\n` +
      `GET /ws HTTP/1.1\r\n${HOST}${upgrade}foo/1,\tWebSocket\r\n\r\n`,
  );
  await until('all have come', () => rig.requests.length === 6);
  assert.deepEqual(
    rig.requests.map(({ head, refused, fields }) => [head!.path, head!.upgrade, refused, fields]),
    [
      ['/ws', '', null, []],
      ['/h2c', '', null, []],
      ['/tls', '', null, []],
      ['/foo', '', null, []],
      ['/no', '', null, []],
      ['/ws', 'websocket', null, []],
    ],
  );
});

test('HTTP/1.0 needs no Host, an empty one is one, and an empty port is none', async (t) => {
  for (const mode of ['reverse', 'forward'] as const) {
    const rig = await startServer(t, { mode });
    for (const [head, line] of [
      ['GET / HTTP/1.0\r\n', 'GET  /'],
      ['GET / HTTP/1.0\r\nHost:\r\n', 'GET  /'],
      ['GET / HTTP/1.1\r\nHost: \t\r\n', 'GET  /'],
      ['GET / HTTP/1.1\r\nHost: a.example:\r\n', 'GET a.example /'],
      ['GET / HTTP/1.1\r\nHost: [::1]:\r\n', 'GET [::1] /'],
      ['GET http://a.example:/x HTTP/1.1\r\nHost: b\r\n', 'GET a.example /x'],
      ['GET http://a.example/x HTTP/1.1\r\nHost:\r\n', 'GET a.example /x'],
    ]) {
      assert.match(await roundTrip(t, rig.port, `${head}Connection: close\r\n\r\n`), /^HTTP\/1.1 200 /, head);
      assert.equal(rig.requests.at(-1)!.line, line);
    }
  }
});

test('blanks around a value are none of it, tabs among them', async (t) => {
  const rig = await startServer(t);
  for (const framing of [
    'Content-Length: 3\t\r\n\r\nabc',
    'Content-Length:\t3 \t\r\n\r\nabc',
    'Transfer-Encoding: chunked\t\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    'Transfer-Encoding:\tchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  ]) {
    const received = await roundTrip(
      t,
      rig.port,
      `POST / HTTP/1.1\r\nHost:\ta\t\r\nConnection:\tclose\t\r\n${framing}`,
    );
    assert.match(received, /^HTTP\/1.1 200 /, framing);
    const { line, body } = rig.requests.at(-1)!;
    assert.deepEqual([line, body], ['POST a /', 'abc']);
  }
});

test('any token is a method, with a body or without', async (t) => {
  const rig = await startServer(t);
  for (const method of ['FOO', 'VERSION-CONTROL', 'get', 'PLAY', 'M-SEARCH', 'X']) {
    for (const framing of [
      '\r\n',
      'Content-Length: 3\r\n\r\nabc',
      'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ]) {
      const received = await roundTrip(t, rig.port, `${method} / HTTP/1.1\r\n${HOST}Connection: close\r\n${framing}`);
      assert.match(received, new RegExp(`^HTTP/1.1 200 [\\s\\S]*\r\n${method} /$`));
    }
  }
});

for (const mode of ['forward', 'reverse'] as const) {
  test(`absolute-form overrides Host in a ${mode} proxy, and the path is never empty`, async (t) => {
    const rig = await startServer(t, { mode });
    const peer = await Peer.connect(t, rig.port);
    peer.send(
      `GET http://b:8080/x?y HTTP/1.1\r\n${HOST}\r\nGET HTTP://b HTTP/1.1\r\n${HOST}\r\nGET https://b?q HTTP/1.1\r\n${HOST}\r\n` +
        `OPTIONS http://b HTTP/1.1\r\n${HOST}\r\nOPTIONS * HTTP/1.1\r\n${HOST}\r\nGET /x HTTP/1.1\r\n${HOST}\r\nGET http://[::1]:80/ HTTP/1.0\r\n\r\n`,
    );
    await peer.until(({ ended }) => ended);
    assert.deepEqual(
      rig.requests.map(({ line, head }) => [line, head!.scheme]),
      [
        ['GET b:8080 /x?y', 'http'],
        ['GET b /', 'http'],
        ['GET b /?q', 'https'],
        ['OPTIONS b *', 'http'],
        ['OPTIONS a *', 'http'],
        ['GET a /x', 'http'],
        ['GET [::1]:80 /', 'http'],
      ],
    );
  });
}

test('an absolute target with userinfo or another scheme is refused', async (t) => {
  const rig = await startServer(t, { mode: 'forward' });
  for (const target of ['http://u@b/', 'ftp://b/', 'http:///x', 'http://b:99999/', 'http://b#f', 'http:/b']) {
    assert.match(await roundTrip(t, rig.port, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1.1 400 /, target);
  }
});

test('bytes after an accepted CONNECT, also pipelined, are requests to its authority whatever their Host says', async (t) => {
  const asked: string[] = [];
  const rig = await startServer(t, {
    mode: 'forward',
    onConnect({ authority }) {
      asked.push(authority);
      return null;
    },
  });
  const peer = await Peer.connect(t, rig.port);
  peer.send(`CONNECT b:9080 HTTP/1.1\r\nHost: b:9080\r\n\r\nGET /1 HTTP/1.1\r\n${HOST}\r\n`);
  await peer.untilText('GET /1');
  peer.send(`POST /2 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`);
  await peer.untilText('POST /2');
  assert.ok(peer.received.startsWith('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: '));
  assert.deepEqual(asked, ['b:9080']);
  assert.deepEqual(
    rig.requests.map(({ line, stream }) => [line, stream.destination]),
    [
      ['GET a /1', 'b:9080'],
      ['POST a /2', 'b:9080'],
    ],
  );
});

test('after a refused CONNECT the connection closes, since what follows may have been meant for the tunnel', async (t) => {
  const rig = await startServer(t, { mode: 'forward', onConnect: () => 'address_refused' });
  const received = await roundTrip(
    t,
    rig.port,
    `CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`,
  );
  assert.match(received, /^HTTP\/1.1 403 [\s\S]*Connection: close\r\n/);
  assert.equal(rig.requests.length, 1);
});
