// RFC 9112 8 and 9, RFC 9110 7.6 to 7.8: what concerns one connection, and when it may be used again.

import { HOST, OK, type Row, tryTable } from './table.ts';

const POST = `POST / HTTP/1.1\r\n${HOST}`;
const GET = `GET / HTTP/1.1\r\n${HOST}`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

function answering(...fields: string[]): string {
  return ['HTTP/1.1 200 OK', 'Content-Length: 2', ...fields, '', 'ok'].join('\r\n');
}

const ROWS: Row[] = [
  // 8: messages that are not whole
  {
    section: '9112 8',
    must: 'an answer that ends before its length does is not passed off as whole',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart',
    closes: true,
    status: 0,
  },
  {
    section: '9112 8',
    must: 'a chunked answer without its last chunk is not passed off as whole',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n3\r\nabc\r\n`,
    closes: true,
    status: 0,
  },
  {
    section: '9112 8',
    must: 'an answer whose head is not whole is none: 503',
    ask: `${POST}Content-Length: 0\r\n\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-',
    closes: true,
    status: 503,
  },
  {
    section: '9112 8',
    must: 'a request that ends too early is not worked on as if it were whole',
    why: 'test/core/http1/server-end.test.ts: a body that ends too early is a client that went away.',
  },

  // 9: connections
  {
    section: '9112 9.2',
    must: 'answers leave in the order of their requests',
    why: 'test/core/http1/server.test.ts: pipelined requests are answered in order, in whatever order their answers are ready.',
  },
  {
    section: '9112 9.2',
    must: 'interim answers belong to the request before their final one',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 103 E\r\nLink: </a>\r\n\r\nHTTP/1.1 103 E\r\nLink: </b>\r\n\r\n${OK}`,
    interim: ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n'],
  },
  {
    section: '9112 9.3',
    must: 'a connection of HTTP/1.1 persists without anybody saying so',
    ask: `${GET}\r\n`,
    client: [{ not: /\r\nconnection:/i }],
  },
  {
    section: '9112 9.3',
    must: 'a connection whose client says close does not persist',
    ask: `${GET}Connection: close\r\n\r\n`,
    reused: false,
  },
  {
    section: '9112 9.3',
    must: 'a connection of HTTP/1.0 does not persist',
    ask: `GET / HTTP/1.0\r\n${HOST}\r\n`,
    reused: false,
  },
  {
    section: '9112 9.3',
    must: 'a proxy keeps no connection of a client of HTTP/1.0',
    why: 'Only a client that asks to keep it, at a reverse proxy or on the same machine, where nobody stands between: as Envoy and nginx do, and as ab asks.',
  },
  {
    section: '9112 9.3',
    must: 'all of a request is read, or its connection closes',
    ask: `TRACE / HTTP/1.1\r\n${HOST}Content-Length: 2000000\r\n\r\nabc`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9112 9.3',
    must: 'all of an answer is read before its connection is used again',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n`,
    clientBody: 'abc',
  },
  {
    section: '9112 9.3',
    must: 'what the upstream says of its connection is not said to the client',
    ask: `${GET}\r\n`,
    answer: answering('Connection: close'),
    closes: true,
    client: [{ not: /\r\nconnection:/i }],
    clientBody: 'ok',
  },
  {
    section: '9112 9.3',
    must: 'what the client says of its connection is not said to the upstream',
    ask: `${GET}Connection: close\r\n\r\n`,
    upstream: [{ not: /\r\nconnection:/i }],
    reused: false,
  },
  {
    section: '9112 9.3.1',
    must: 'a proxy repeats no request by itself that may not be repeated',
    why: 'test/path/retries.test.ts: a POST that may have reached its upstream is not sent again without a rule.',
  },
  {
    section: '9112 9.3.2',
    must: 'a pipelined request that changes something waits for those before it',
    why: 'test/core/http1/server.test.ts tries it; requests are never pipelined to an upstream.',
  },
  {
    section: '9112 9.4',
    must: 'a client limits the connections that it holds to a server',
    why: 'test/core/cluster/pool.test.ts: the limits of a cluster (DestinationRule connectionPool).',
  },
  {
    section: '9112 9.5',
    must: 'a connection that closes for its silence is closed in order',
    why: 'test/core/http1/server-end.test.ts: an idle connection is closed, one with a request in progress is not.',
  },
  {
    section: '9112 9.6',
    must: 'after close no further request of that connection is processed',
    ask: `${GET}Connection: close\r\n\r\nGET /second HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['GET / HTTP/1.1'],
    reused: false,
  },
  {
    section: '9112 9.6',
    must: 'a client that was told close sends nothing more on that connection',
    why: 'test/core/http1/client.test.ts: answers with Connection: close leave no capacity.',
  },
  {
    section: '9112 9.6',
    must: 'a server closes in steps, so that no reset overtakes its last answer',
    why: 'test/core/http1/server-end.test.ts: an early answer closes the connection when much is left, and arrives all the same.',
  },

  // RFC 9110 7.6: forwarding
  {
    section: '9110 7.6',
    must: 'a message is never forwarded to the proxy itself',
    why: 'test/path/edges.test.ts: an address that must not be reached is refused in every spelling.',
  },
  {
    section: '9110 7.6.1',
    must: 'Connection and what it names go no further, in requests',
    ask: `${GET}Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Kept: 1\r\nx-hop: 2\r\n\r\n`,
    upstream: ['X-Kept: 1', { not: /\r\n(connection|x-hop):/i }],
  },
  {
    section: '9110 7.6.1',
    must: 'Connection and what it names go no further, in answers',
    ask: `${GET}\r\n`,
    answer: answering('Connection: x-hop', 'X-Hop: 1', 'X-Kept: 1'),
    client: ['X-Kept: 1', { not: /\r\n(connection|x-hop):/i }],
  },
  {
    section: '9110 7.6.1',
    must: 'what concerns one hop by itself goes no further, in requests',
    ask: `${GET}Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nUpgrade: foo\r\n\r\n`,
    upstream: [{ not: /\r\n(proxy-connection|keep-alive|te|upgrade):/i }],
  },
  {
    section: '9110 7.6.1',
    must: 'what concerns one hop by itself goes no further, in answers',
    ask: `${GET}\r\n`,
    answer: answering('Proxy-Connection: keep-alive', 'Keep-Alive: timeout=5', 'Upgrade: h2c'),
    client: [{ not: /\r\n(proxy-connection|keep-alive|upgrade):/i }],
  },
  {
    section: '9110 7.6.1',
    must: 'options have no case, and a list may have empty places',
    ask: `${GET}Connection: ,, CLOSE ,\r\n\r\n`,
    reused: false,
  },
  {
    section: '9110 7.6.1',
    must: 'an option is never the name of a field for everybody',
    ask: `${GET}Connection: close, Authorization\r\nAuthorization: x\r\n\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9110 7.6.2',
    must: 'OPTIONS with Max-Forwards 0 is answered here and not forwarded',
    ask: `OPTIONS / HTTP/1.1\r\n${HOST}Max-Forwards: 0\r\n\r\n`,
    answer: null,
  },
  {
    section: '9110 7.6.2',
    must: 'TRACE with Max-Forwards 0 is answered here and not forwarded',
    ask: `TRACE / HTTP/1.1\r\n${HOST}Max-Forwards: 0\r\n\r\n`,
    answer: null,
    status: 501,
  },
  {
    section: '9110 7.6.2',
    must: 'Max-Forwards of OPTIONS is one less for the next hop',
    ask: `OPTIONS * HTTP/1.1\r\n${HOST}Max-Forwards: 10\r\n\r\n`,
    upstream: [/\r\nmax-forwards: 9\r\n/i],
  },
  {
    section: '9110 7.6.2',
    must: 'Max-Forwards of TRACE is one less for the next hop',
    ask: `TRACE / HTTP/1.1\r\n${HOST}Max-Forwards: 1\r\n\r\n`,
    upstream: [/\r\nmax-forwards: 0\r\n/i],
  },
  {
    section: '9110 7.6.2',
    must: 'Max-Forwards of other methods is left alone',
    ask: `${GET}Max-Forwards: 0\r\n\r\n`,
    upstream: ['Max-Forwards: 0'],
  },
  {
    section: '9110 7.6.2',
    must: 'Max-Forwards is not made up',
    ask: `OPTIONS / HTTP/1.1\r\n${HOST}\r\n`,
    upstream: [{ not: /max-forwards/i }],
  },
  {
    section: '9110 7.6.3',
    must: 'Via of hops before is passed on as it is',
    ask: `${GET}Via: 1.0 a, 1.1 b\r\n\r\n`,
    answer: answering('Via: 1.1 c'),
    upstream: ['Via: 1.0 a, 1.1 b'],
    client: ['Via: 1.1 c'],
  },
  {
    section: '9110 7.6.3',
    must: 'a proxy adds itself to Via',
    why: 'Not done, as Envoy and Istio do not: a sidecar is to be unnoticeable, and servers (nginx, IIS) stop compressing for who sends Via.',
  },
  {
    section: '9110 7.7',
    must: 'content is not changed',
    ask: `${POST}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x00\xff`,
    answer:
      'HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nCache-Control: no-transform\r\nContent-Length: 3\r\n\r\n\x00\xff\x0d',
    upstream: ['Content-Encoding: gzip'],
    upstreamBody: '\x1f\x8b\x00\xff',
    client: ['Content-Encoding: br', 'Cache-Control: no-transform'],
    clientBody: '\x00\xff\x0d',
  },
  {
    section: '9110 7.7',
    must: 'the query of a target is not changed',
    ask: `GET /a?b=%2e%2E/../c&d=%41&&e HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['GET /a?b=%2e%2E/../c&d=%41&&e HTTP/1.1'],
  },
  {
    section: '9110 7.7',
    must: 'an escaped path that means something is not changed',
    ask: `GET /a%2Fb//c;d HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['GET /a%2Fb//c;d HTTP/1.1'],
  },
  {
    section: '9110 7.7',
    must: 'the path of a target is not changed at all',
    why: 'Dot segments are resolved and escapes of unreserved characters decoded, as in Istio (pathNormalization BASE), so that what is authorised is what is forwarded.',
  },
  {
    section: '9110 7.8',
    must: 'an upgrade that is not known is ignored, and the request goes on without it',
    ask: `${GET}Connection: Upgrade\r\nUpgrade: TLS/1.2, foo\r\n\r\n`,
    upstream: [{ not: /\r\n(connection|upgrade):/i }],
  },
  {
    section: '9110 7.8',
    must: 'an upgrade of HTTP/1.0 is ignored',
    ask: `GET / HTTP/1.0\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    upstream: [{ not: /\r\n(connection|upgrade):/i }],
    reused: false,
  },
  {
    section: '9110 7.8',
    must: 'nobody switches to a protocol that was not asked for',
    ask: `${POST}Content-Length: 0\r\n\r\n`,
    answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
    status: 502,
  },
];

tryTable('RFC 9112 and 9110, connections', ROWS);
