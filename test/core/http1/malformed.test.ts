// What the codec refuses, in both directions, over real sockets. Each line of the tables is one case.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { FailureCode } from '../../../core/errors.ts';
import { get, Peer, roundTrip, settled, startClient, startServer } from './rig.ts';

// Each line: what is wrong, the bytes, the reason the owner is given. Every one is answered (400 unless said otherwise)
// and closes the connection, and nothing that follows it on the connection is taken for a request.
const HOST = 'Host: a\r\n';
const REQUESTS: [string, string, FailureCode?][] = [
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 'missing_host'],
  ['a second Host', `GET / HTTP/1.1\r\n${HOST}Host: b\r\n\r\n`],
  ['the same Host twice', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  ['two Hosts in HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}${HOST}\r\n`],
  ['no Host beside an absolute target', 'GET http://a/ HTTP/1.1\r\n\r\n', 'missing_host'],
  ['a bad Host beside an absolute target', 'GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a Host that is only a port', 'GET / HTTP/1.1\r\nHost: :80\r\n\r\n'],
  ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n'],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a Host with a comma', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a Host with a percent sign', 'GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n'],
  ['a Host whose port is no number', 'GET / HTTP/1.1\r\nHost: a:http\r\n\r\n'],
  ['a Host whose port is too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n'],
  ['a Host with two ports', 'GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n'],
  ['a Host with an open bracket', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n'],
  ['a Host with junk after the bracket', 'GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n'],
  ['a coding before chunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['a coding after chunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
  ['chunked twice', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  ['two Transfer-Encodings', `POST / HTTP/1.1\r\n${HOST}${'Transfer-Encoding: chunked\r\n'.repeat(2)}\r\n0\r\n\r\n`],
  ['identity', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\n`],
  ['an empty Transfer-Encoding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n\r\n`],
  ['chunked with a parameter', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n`],
  ['chunked with a vertical tab', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['xchunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['Transfer-Encoding in HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['RTSP', `GET / RTSP/1.0\r\n${HOST}\r\n`],
  ['an RTSP method', `DESCRIBE / RTSP/1.0\r\n${HOST}\r\n`],
  ['icecast', `SOURCE / ICE/1.0\r\n${HOST}\r\n`],
  ['HTTP/0.9 with a version', `GET / HTTP/0.9\r\n${HOST}\r\n`],
  ['HTTP/0.9 without a version', 'GET /\r\n\r\n'],
  ['HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`],
  ['HTTP/2.0', `GET / HTTP/2.0\r\n${HOST}\r\n`],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a lower-case protocol', `GET / http/1.1\r\n${HOST}\r\n`],
  [
    'both Content-Length and Transfer-Encoding',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'both, the other way round',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  ['differing Content-Lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ['the same Content-Length twice', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['a list of Content-Lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nhello`],
  ['a signed Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhello`],
  ['a negative Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -5\r\n\r\nhello`],
  ['a Content-Length in hex', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nhello`],
  ['a Content-Length with a space in it', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1 0\r\n\r\nhello`],
  ['an empty Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length:\r\n\r\nhello`],
  ['a Content-Length with a tab in it', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\t0\r\n\r\nhello`],
  ['a Content-Length above 2^64', `POST / HTTP/1.1\r\n${HOST}Content-Length: 18446744073709551617\r\n\r\nhello`],
  ['a Content-Length above 2^53', `POST / HTTP/1.1\r\n${HOST}Content-Length: 9007199254740993\r\n\r\nhello`],
  ['a bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`],
  ['a bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n'],
  ['only bare LFs', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['an empty line that ends in LF alone', 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
  ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n'],
  ['a bare CR for a line end', 'GET / HTTP/1.1\rHost: a\r\r'],
  ['obs-fold', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n'],
  ['obs-fold with a tab', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n'],
  ['whitespace before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n'],
  ['a tab before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n'],
  ['a space before the colon of Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length : 5\r\n\r\nhello`],
  ['a field without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n'],
  ['a field without a name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
  ['a name that is no token', 'GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n'],
  ['a name with a high byte', 'GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n'],
  ['NUL in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n'],
  ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n'],
  ['a control character in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\x01c\r\n\r\n'],
  ['DEL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\x7fc\r\n\r\n'],
  ['two spaces before the target', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
  ['two spaces after the target', `GET /  HTTP/1.1\r\n${HOST}\r\n`],
  ['a space after the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`],
  ['a tab for a space', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a space before the method', ` GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['a space in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ['a fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['a control character in the target', `GET /a\x01b HTTP/1.1\r\n${HOST}\r\n`],
  ['NUL in the target', `GET /a\0b HTTP/1.1\r\n${HOST}\r\n`],
  ['a high byte in the target', `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`],
  ['a target that is no path', `GET a HTTP/1.1\r\n${HOST}\r\n`],
  ['an asterisk for GET', `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['an asterisk and more', `OPTIONS *a HTTP/1.1\r\n${HOST}\r\n`],
  ['CONNECT at a gateway', `CONNECT a:80 HTTP/1.1\r\n${HOST}\r\n`, 'connect_refused'],
  ['CONNECT with a path', `CONNECT /a HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target without a host', `GET http:///x HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target with userinfo', `GET http://u@a/ HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target of another scheme', `GET ftp://a/ HTTP/1.1\r\n${HOST}\r\n`],
  ['CONNECT with an empty port', `CONNECT a: HTTP/1.1\r\n${HOST}\r\n`],
  ['CONNECT without a port', `CONNECT a HTTP/1.1\r\n${HOST}\r\n`],
  ['CONNECT with a body', `CONNECT a:80 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`],
  ['LF before the request', `\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['CR before the request', `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['two empty lines before the request', `\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00', 'tls_not_http'],
  ['the first words of PostgreSQL', '\0\0\0\x08\x04\xd2\x16\x2f', 'not_http'],
  ['an array of Redis', '*1\r\n$4\r\nPING\r\n', 'not_http'],
  ['a word of Redis', 'PING\r\n', 'not_http'],
  ['a word alone that is a method', 'GET\r\n\r\n', 'not_http'],
  ['a Connection that is no list of tokens', `GET / HTTP/1.1\r\n${HOST}Connection: a b\r\n\r\n`],
  ['a Connection that names a pseudo-header', `GET / HTTP/1.1\r\n${HOST}Connection: :path\r\n\r\n`],
  ['a Connection that names Host', `GET / HTTP/1.1\r\n${HOST}Connection: close, Host\r\n\r\n`],
  ['a Connection that names Authorization', `GET / HTTP/1.1\r\n${HOST}Connection: Authorization\r\n\r\n`],
  ['a Connection that names X-Forwarded-For', `GET / HTTP/1.1\r\n${HOST}Connection: x-forwarded-for\r\n\r\n`],
  ['a Connection that names a tracing header', `GET / HTTP/1.1\r\n${HOST}Connection: traceparent\r\n\r\n`],
  [
    'a Connection that names very many',
    `GET / HTTP/1.1\r\n${HOST}Connection: ${Array.from({ length: 17 }, (_, i) => `x${i}`)}\r\n\r\n`,
  ],
  ['too many fields', `GET / HTTP/1.1\r\n${HOST}${'x: y\r\n'.repeat(100)}\r\n`, 'headers_too_large'],
  ['a head that is too large', `GET / HTTP/1.1\r\n${HOST}x: ${'y'.repeat(61_440)}\r\n\r\n`, 'headers_too_large'],
  ['a request line that is too large', `GET /${'y'.repeat(61_440)}`, 'uri_too_long'],
  ['TRACE with a body', `TRACE / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`],
  ['TRACE with a chunked body', `TRACE / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
];

const STATUS: Partial<Record<FailureCode, number>> = {
  headers_too_large: 431,
  uri_too_long: 414,
  connect_refused: 403,
};

const rig = await startServer({ after });

for (const [what, bytes, reason = 'bad_request'] of REQUESTS) {
  test(`a request with ${what} is refused and the connection closed`, async (t) => {
    rig.requests.length = 0;
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const received = await roundTrip(t, rig.port, bytes + smuggled, bytes.endsWith('\n') === false);
    assert.match(received, new RegExp(`^HTTP/1.1 ${STATUS[reason] ?? 400} `));
    assert.equal(received.split('HTTP/1.1 ').length, 2, received);
    assert.match(received, /\r\nConnection: close\r\n/);
    assert.deepEqual(
      rig.requests.map((request) => request.refused),
      [reason],
    );
  });
}

// A body that breaks its framing: the owner hears bad_request, may still answer, and the connection closes.
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const BODIES: [string, string][] = [
  ['no size', '\r\nabc\r\n'],
  ['a size that is no hex', 'g\r\nabc\r\n'],
  ['a signed size', '+3\r\nabc\r\n'],
  ['a negative size', '-3\r\nabc\r\n'],
  ['a size with 0x', '0x3\r\nabc\r\n'],
  ['a size with an underscore', '1_0\r\nabc\r\n'],
  ['a size after a space', ' 3\r\nabc\r\n'],
  ['an overflowing size', '10000000000000003\r\nabc\r\n'],
  ['a size of very many digits', `1${'0'.repeat(40)}\r\nabc\r\n`],
  ['a size beyond 2^53 behind zeros', `${'0'.repeat(40)}20000000000000\r\nabc\r\n`],
  ['a size after a tab', '\t3\r\nabc\r\n'],
  ['blanks for a size', '  \r\nabc\r\n'],
  ['an extension for a size', ';a\r\nabc\r\n'],
  ['two sizes', '3 3\r\nabc\r\n'],
  ['a size with a blank in it', '0 3\r\nabc\r\n'],
  ['a vertical tab after the size', '3\x0b\r\nabc\r\n'],
  ['very many blanks after the size', `3${' '.repeat(2000)}\r\nabc\r\n`],
  ['a size line with blanks that ends in LF', '3 \nabc\r\n'],
  ['a size line that ends in LF', '3\nabc\r\n'],
  ['a size line that ends in CR', '3\rabc\r\n'],
  ['LF after the data', '3\r\nabc\n'],
  ['no line end after the data', '3\r\nabcd\r\n'],
  ['an LF in an extension', '3;a\n\r\nabc\r\n'],
  ['a control character in an extension', '3;a\0\r\nabc\r\n'],
  ['a very long extension', `3;${'a'.repeat(2000)}\r\nabc\r\n`],
  ['a bare LF at the end', '0\r\n\n'],
  ['a trailer without a colon', '0\r\nabc\r\n\r\n'],
  ['a trailer with a space before the colon', '0\r\na : b\r\n\r\n'],
  ['a folded trailer', '0\r\na: b\r\n c\r\n\r\n'],
  ['a trailer with NUL', '0\r\na: \0\r\n\r\n'],
  ['a trailer with a bare CR', '0\r\na: b\rc\r\n\r\n'],
  ['a trailer with a bare LF', '0\r\na: b\nc: d\r\n\r\n'],
  ['too many trailers', `0\r\n${'a: b\r\n'.repeat(101)}\r\n`],
  ['too large trailers', `0\r\na: ${'b'.repeat(20_000)}\r\n\r\n`],
];

for (const [what, body] of BODIES) {
  test(`a chunked request with ${what} is refused and the connection closed`, async (t) => {
    rig.requests.length = 0;
    const received = await roundTrip(t, rig.port, `${CHUNKED}${body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.match(received, /^HTTP\/1.1 400 /);
    assert.equal(received.split('HTTP/1.1 ').length, 2);
    assert.match(received, /\r\nConnection: close\r\n/);
    assert.equal(rig.requests.length, 1);
    assert.equal(rig.requests[0].reset, 'bad_request');
  });

  test(`a chunked response with ${what} is a protocol error and the connection closed`, async (t) => {
    const { connection, peer } = await startClient(t);
    const answer = get(connection);
    await peer.untilText('\r\n\r\n');
    peer.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
    await settled(answer);
    assert.equal(answer.head?.status, 200);
    assert.equal(answer.reset, 'protocol_error');
    assert.equal(connection.capacity, 0);
    await peer.until(({ closed, ended }) => closed || ended);
  });
}

const RESPONSES: [string, string, FailureCode?][] = [
  ['status 099', 'HTTP/1.1 099 No\r\n\r\n'],
  ['status 000', 'HTTP/1.1 000 No\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['HTTP/0.9', 'HTTP/0.9 200 OK\r\n\r\n'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['RTSP', 'RTSP/1.0 200 OK\r\n\r\n'],
  ['shoutcast', 'ICY 200 OK\r\n\r\n'],
  ['something else entirely', '<html>hello</html>\r\n\r\n'],
  ['an empty line before it', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n'],
  ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
  ['a bare CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n'],
  ['bare LFs', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['obs-fold', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n'],
  ['NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'],
  ['a coding before chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['a coding after chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n'],
  ['identity', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc'],
  ['two Transfer-Encodings', `HTTP/1.1 200 OK\r\n${'Transfer-Encoding: chunked\r\n'.repeat(2)}\r\n0\r\n\r\n`],
  ['Transfer-Encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    'both framings, the other way round',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n',
  ],
  ['differing Content-Lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['a list of Content-Lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na'],
  ['a signed Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na'],
  ['an overflowing Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na'],
  ['a Connection that names Set-Cookie', 'HTTP/1.1 200 OK\r\nConnection: set-cookie\r\nContent-Length: 0\r\n\r\n'],
  ['an upgrade nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ['interim answers without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(65)],
  ['too many fields', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(101)}\r\n`, 'upstream_headers_too_large'],
  ['a head that is too large', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(61_440)}\r\n\r\n`, 'upstream_headers_too_large'],
];

for (const [what, bytes, reason = 'protocol_error'] of RESPONSES) {
  test(`a response with ${what} is ${reason} and the connection closed`, async (t) => {
    const { connection, peer } = await startClient(t);
    const answer = get(connection);
    await peer.untilText('\r\n\r\n');
    peer.send(bytes);
    await settled(answer);
    assert.equal(answer.reset, reason);
    assert.equal(answer.head, null);
    assert.equal(connection.capacity, 0);
    await peer.until(({ closed, ended }) => closed || ended);
  });
}

test('nonsense is refused at its first piece, without waiting for the end of a head', async (t) => {
  const peer = await Peer.connect(t, rig.port);
  peer.send('GET / HTTP/1.1\r\nX : y');
  assert.match(await peer.rest(), /^HTTP\/1.1 400 /);
});

test('a head that comes in many pieces is parsed a few times, not once a piece', async (t) => {
  const { headParser } = await import('../../../core/http1/head-parser.ts');
  const parser = headParser as unknown as { request: (...args: unknown[]) => number };
  const original = parser.request;
  let parses = 0;
  parser.request = function (...args) {
    parses++;
    return original.apply(this, args);
  };
  try {
    const peer = await Peer.connect(t, rig.port);
    await peer.sendSlowly(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(1000)}\r\n\r\n`);
    await peer.untilText('GET /');
    assert.ok(parses < 15, `${parses} parses`);
  } finally {
    parser.request = original;
  }
});
