// RFC 9110, 9 to 15: what methods, the context of a request and statuses mean to who passes them on.

import { HOST, OK, type Row, tryTable } from './table.ts';

const POST = `POST / HTTP/1.1\r\n${HOST}`;
const GET = `GET / HTTP/1.1\r\n${HOST}`;
const DATE = 'Date: Sun, 06 Nov 1994 08:49:37 GMT';

function answering(...fields: string[]): string {
  return ['HTTP/1.1 200 OK', 'Content-Length: 2', ...fields, '', 'ok'].join('\r\n');
}

const ROWS: Row[] = [
  // 9: methods
  {
    section: '9110 9.1',
    must: 'methods are told apart by case',
    ask: `get / HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['get / HTTP/1.1'],
  },
  {
    section: '9110 9.3.1',
    must: 'a body of GET is framed, and passed on or refused',
    ask: `${GET}Content-Length: 3\r\n\r\nabc`,
    upstream: ['Content-Length: 3'],
    upstreamBody: 'abc',
  },
  {
    section: '9110 9.3.2',
    must: 'a body that an upstream sends after HEAD reaches nobody',
    ask: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    answer: OK,
    clientBody: '',
  },
  {
    section: '9110 9.3.6',
    must: 'CONNECT with an empty port is 400',
    ask: `CONNECT up.example: HTTP/1.1\r\n${HOST}\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9110 9.3.6',
    must: 'an answer to CONNECT that was accepted has neither length nor coding',
    why: 'test/core/http1/server-target.test.ts: bytes after an accepted CONNECT are requests to its authority.',
  },
  {
    section: '9110 9.3.8',
    must: 'TRACE has no body',
    ask: `TRACE / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`,
    answer: null,
    status: 400,
    reused: false,
  },

  // 10: context
  {
    section: '9110 10.1.1',
    must: 'an expectation goes on to the next hop',
    ask: `${POST}Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc`,
    upstream: ['Expect: 100-continue'],
    upstreamBody: 'abc',
  },
  {
    section: '9110 10.1.1',
    must: 'an expectation of HTTP/1.0 is ignored',
    ask: `POST / HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    upstream: [{ not: /expect/i }],
    upstreamBody: 'abc',
    reused: false,
  },
  {
    section: '9110 10.1.1',
    must: 'no request without a body is sent with an expectation',
    ask: `${GET}Expect: 100-continue\r\n\r\n`,
    upstream: [{ not: /expect/i }],
  },
  {
    section: '9110 10.1.1',
    must: 'another expectation is 417',
    ask: `${GET}Expect: a-miracle\r\n\r\n`,
    answer: null,
    status: 417,
    client: [/\r\ncontent-length: /i],
  },
  {
    section: '9110 10.1.1',
    must: 'what an upstream says from the head ends an upload',
    why: 'test/path/interim.test.ts: an upstream that says no from the head gets no body.',
  },
  {
    section: '9110 10.1.4',
    must: 'TE is sent with its option of Connection',
    ask: `${GET}TE: trailers\r\nConnection: TE\r\n\r\n`,
    upstream: ['TE: trailers', 'Connection: TE'],
  },
  {
    section: '9110 10.1.4',
    must: 'of TE only what this proxy can carry is asked of the upstream',
    ask: `${GET}TE: gzip, trailers\r\nConnection: TE\r\n\r\n`,
    upstream: ['TE: trailers', 'Connection: TE', { not: /gzip/ }],
  },
  {
    section: '9110 10.2.4',
    must: 'Server of an upstream is not changed',
    ask: `${GET}\r\n`,
    answer: answering('Server: a/1 (b)'),
    client: ['Server: a/1 (b)'],
  },

  // 11: authentication
  {
    section: '9110 11.6.1',
    must: 'challenges are not changed',
    ask: `${GET}\r\n`,
    answer:
      'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="a, b"\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n',
    status: 401,
    client: [/\r\nWWW-Authenticate: Basic realm="a, b"\r\nWWW-Authenticate: Bearer\r\n/],
  },
  {
    section: '9110 11.6.2',
    must: 'credentials are not changed',
    ask: `${GET}Authorization: Basic  YTpi \r\n\r\n`,
    upstream: ['Authorization: Basic  YTpi'],
  },
  {
    section: '9110 11.6.3',
    must: 'Authentication-Info is not changed',
    ask: `${GET}\r\n`,
    answer: answering('Authentication-Info: nextnonce="a"'),
    client: ['Authentication-Info: nextnonce="a"'],
  },
  {
    section: '9110 11.7.1',
    must: 'a proxy that asks for credentials of its own says so by 407',
    why: 'This one asks for none; what others ask for is passed on.',
  },

  // 12 to 14: negotiation, conditions, ranges
  {
    section: '9110 12.5',
    must: 'what a client prefers is passed on as it is',
    ask: `${GET}Accept: a/b;q=0.1, */*\r\nAccept-Encoding: br, identity;q=0\r\nAccept-Language: de\r\n\r\n`,
    upstream: ['Accept: a/b;q=0.1, */*', 'Accept-Encoding: br, identity;q=0', 'Accept-Language: de'],
  },
  {
    section: '9110 13.2.1',
    must: 'who is no cache and no origin leaves conditions to who is',
    ask: `${GET}If-Match: "a"\r\nIf-None-Match: *\r\nIf-Modified-${DATE.replace('Date', 'Since')}\r\nIf-Range: "b"\r\n\r\n`,
    upstream: [
      'If-Match: "a"',
      'If-None-Match: *',
      'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
      'If-Range: "b"',
    ],
  },
  {
    section: '9110 14.2',
    must: 'a range is asked of the upstream, and its part passed on',
    ask: `${GET}Range: bytes=0-1, 4-\r\n\r\n`,
    answer: 'HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\nAccept-Ranges: bytes\r\nContent-Length: 2\r\n\r\nok',
    upstream: ['Range: bytes=0-1, 4-'],
    status: 206,
    client: ['Content-Range: bytes 0-1/9', 'Accept-Ranges: bytes'],
  },

  // 15: statuses
  {
    section: '9110 15',
    must: 'a status that nobody knows is passed on',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 499 x\r\nContent-Length: 0\r\n\r\n',
    status: 499,
  },
  {
    section: '9110 15.2',
    must: 'interim answers are passed on, also those that nobody knows',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 100 C\r\n\r\nHTTP/1.1 199 x\r\nX: y\r\n\r\n${OK}`,
    interim: ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 199 \r\nX: y\r\n\r\n'],
  },
  {
    section: '9110 15.2',
    must: 'no interim answer is sent to HTTP/1.0',
    ask: `GET / HTTP/1.0\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 103 E\r\n\r\n${OK}`,
    interim: [],
    reused: false,
  },
  {
    section: '9110 15.4',
    must: 'redirects are passed on, not followed',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
    status: 307,
    client: ['Location: http://127.0.0.1:1/'],
  },
  {
    section: '9110 15.5.2',
    must: 'a 401 of our own has a challenge',
    why: 'test/path/authn.test.ts, filters/authn: www-authenticate with the realm and the reason.',
  },
  {
    section: '9110 15.5.6',
    must: 'a 405 of our own has Allow',
    why: 'Only the admin interface says 405: test/core/admin/endpoints.test.ts.',
  },
  {
    section: '9110 15.5.9',
    must: 'a request that does not come to its end is 408, and its connection closes',
    why: 'test/core/http1/server-end.test.ts: a head that does not come to its end is 408.',
  },
];

tryTable('RFC 9110, methods and statuses', ROWS);
