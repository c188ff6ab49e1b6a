// Chunked bodies that many servers and clients send and the grammar allows, in both directions and in any pieces; and what
// of a trailer section goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, Peer, settled, startClient, startServer } from './rig.ts';

const BODIES: [string, string][] = [
  ['a blank after the size', '3 \r\nabc\r\n0 \r\n\r\n'],
  ['tabs and blanks after the size', '3\t \t\r\nabc\r\n0\t\r\n\r\n'],
  ['blanks around an extension', '3 ; a = b \r\nabc\r\n0 ;\tend\t\r\n\r\n'],
  ['a quoted extension with blanks', '3\t;\ta="b; c"\t; d\r\nabc\r\n0\r\n\r\n'],
  ['many zeros before the size', `${'0'.repeat(5000)}3\r\nabc\r\n${'0'.repeat(5000)}\r\n\r\n`],
  ['zeros, blanks and an extension', '00000000000000000003 ;x\r\nabc\r\n00000000000000000000 ;y\r\n\r\n'],
  ['digits of both cases', '1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0A\r\n0123456789\r\n0\r\n\r\n'],
];

function meant(body: string): string {
  return body.startsWith('1a') ? 'abcdefghijklmnopqrstuvwxyz0123456789' : 'abc';
}

for (const [what, body] of BODIES) {
  test(`a chunked body with ${what} is read, whole and byte by byte, and the connection goes on`, async (t) => {
    const rig = await startServer(t);
    for (const slowly of [false, body.length < 1000]) {
      const peer = await Peer.connect(t, rig.port);
      const post = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
      if (slowly) await peer.sendSlowly(post);
      else peer.send(post);
      peer.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
      await peer.untilText('GET /next');
      assert.deepEqual([rig.requests.at(-2)!.body, rig.requests.at(-2)!.reset], [meant(body), null]);
    }

    const { connection, peer } = await startClient(t);
    for (const slowly of [false, body.length < 1000]) {
      const answer = get(connection);
      await peer.until(({ received }) => received.endsWith('\r\n\r\n'));
      peer.received = '';
      const text = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
      if (slowly) await peer.sendSlowly(text);
      else peer.send(text);
      await settled(answer);
      assert.deepEqual([answer.body, answer.reset], [meant(body), null]);
      await new Promise(setImmediate);
      assert.equal(connection.capacity, 1);
    }
  });
}

const TRAILERS = [
  'X-Real-Ip: 1.2.3.4',
  'Forwarded: for=1.2.3.4',
  'X-Forwarded-For: 1.2.3.4',
  'x-forwarded-client-cert: By=me',
  'X-Request-ID: mine',
  'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'tracestate: a=b',
  'baggage: user=admin',
  'B3: 0',
  'X-Remote-User: admin',
  'X-Original-URL: /admin',
  'X-B3-TraceId: 1',
  'x-envoy-max-retries: 9',
  'Authorization: Bearer x',
  'Cookie: a=b',
  'Content-Type: text/html',
  'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
  'Date: Sun, 06 Nov 1994 08:49:37 GMT',
  'Content-Length: 9',
  'Transfer-Encoding: chunked',
  'Connection: x-sum',
  'Trailer: x-sum',
  'Host: evil',
  'X-Sum: 7',
  'grpc-status: 0',
  'Server-Timing: db',
].join('\r\n');

test('of a trailer section goes on what steers neither the reading of a message nor who is believed', async (t) => {
  const body = `0\r\n${TRAILERS}\r\n\r\n`;
  const kept = [
    ['X-Sum', '7'],
    ['grpc-status', '0'],
    ['Server-Timing', 'db'],
  ];
  const rig = await startServer(t);
  const client = await Peer.connect(t, rig.port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
  await client.untilText('POST /');
  assert.deepEqual(rig.requests[0].trailers, kept);

  const { connection, peer } = await startClient(t);
  const answer = get(connection);
  await peer.untilText('\r\n\r\n');
  peer.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
  await settled(answer);
  assert.deepEqual(answer.trailers, kept);
});
