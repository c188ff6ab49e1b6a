// RFC 9110, 3 to 8: what identifies, and what fields say, to who passes them on.

import { HOST, OK, type Row, tryTable } from './table.ts';

const POST = `POST / HTTP/1.1\r\n${HOST}`;
const GET = `GET / HTTP/1.1\r\n${HOST}`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const DATE = 'Date: Sun, 06 Nov 1994 08:49:37 GMT';

function answering(...fields: string[]): string {
  return ['HTTP/1.1 200 OK', 'Content-Length: 2', ...fields, '', 'ok'].join('\r\n');
}

const ROWS: Row[] = [
  // 3, 4: roles and identifiers
  {
    section: '9110 3.3',
    must: 'requests of one connection may be of different clients, and of different hosts',
    why: 'Nothing is remembered of a connection but the virtual host of an authority, compared each time (core/router/choose.ts).',
  },
  {
    section: '9110 4.2.1',
    must: 'an http target without a host is invalid',
    ask: `GET http:///a HTTP/1.1\r\n${HOST}\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9110 4.2.4',
    must: 'userinfo in a target is an error',
    ask: `GET http://me@up.example/ HTTP/1.1\r\n${HOST}\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },

  // 5: fields
  {
    section: '9110 5.1',
    must: 'fields that nobody knows are passed on, in requests',
    ask: `${GET}X-Unknown: a\r\nUnheard-Of:\r\n\r\n`,
    upstream: ['X-Unknown: a', 'Unheard-Of: '],
  },
  {
    section: '9110 5.1',
    must: 'fields that nobody knows are passed on, in answers',
    ask: `${GET}\r\n`,
    answer: answering('X-Unknown: a', 'Unheard-Of: b'),
    client: ['X-Unknown: a', 'Unheard-Of: b'],
  },
  {
    section: '9110 5.3',
    must: 'fields of one name keep their order, in requests',
    ask: `${GET}X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4\r\n\r\n`,
    upstream: [/\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4\r\n/],
  },
  {
    section: '9110 5.3',
    must: 'fields of one name keep their order, in answers',
    ask: `${GET}\r\n`,
    answer: answering('X-A: 1', 'x-a: 2', 'X-A: 3'),
    client: [/\r\nX-A: 1\r\nx-a: 2\r\nX-A: 3\r\n/],
  },
  {
    section: '9110 5.3',
    must: 'Set-Cookie fields are never joined',
    ask: `${GET}\r\n`,
    answer: answering('Set-Cookie: a=1', 'Set-Cookie: b=2, c'),
    client: ['Set-Cookie: a=1', 'Set-Cookie: b=2, c'],
  },
  {
    section: '9110 5.4',
    must: 'a head that is larger than what is read is 4xx and not cut',
    ask: `${GET}X: ${'a'.repeat(61_500)}\r\n\r\n`,
    answer: null,
    status: 431,
    reused: false,
  },
  {
    section: '9110 5.5',
    must: 'CR, LF and NUL in a value are refused before anything is passed on',
    ask: `${GET}X: a\0b\r\n\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9110 5.5',
    must: 'NUL in a value of an answer is refused before anything is passed on',
    ask: `${GET}\r\n`,
    answer: answering('X-Secret: a\0b'),
    status: 502,
    client: [{ not: /x-secret/i }],
  },
  {
    section: '9110 5.5',
    must: 'blanks around a value are none of it',
    ask: `${GET}X: \t a b\t \r\n\r\n`,
    upstream: ['X: a b'],
  },
  {
    section: '9110 5.5',
    must: 'bytes above 127 are opaque, and passed on',
    ask: `${GET}X: caf\xe9\r\n\r\n`,
    answer: answering('X: \xff\x80'),
    upstream: ['X: caf\xe9'],
    client: ['X: \xff\x80'],
  },
  {
    section: '9110 5.6.1',
    must: 'empty places of a list are ignored',
    ask: `${GET}Connection: , ,X-Hop,\r\nX-Hop: 1\r\n\r\n`,
    upstream: [{ not: /x-hop/i }],
  },
  {
    section: '9110 5.6.3',
    must: 'blanks where bad whitespace is allowed are read over',
    ask: `${POST}${CHUNKED}\r\n3 ;a\t=\tb\r\nabc\r\n0\r\n\r\n`,
    upstreamBody: 'abc',
  },
  {
    section: '9110 5.6.7',
    must: 'a date that is made here is an IMF-fixdate',
    ask: `${GET}\r\n`,
    client: [/\r\ndate: [A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/i],
  },
  {
    section: '9110 5.6.7',
    must: 'a date in an old form is passed on as it is',
    ask: `${GET}\r\n`,
    answer: answering('Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT'),
    client: ['Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT'],
  },

  // 6: messages
  {
    section: '9110 6.5.1',
    must: 'a trailer that steers framing, routing or identity is not passed on, in requests',
    ask: `${POST}${CHUNKED}\r\n0\r\nHost: evil\r\nContent-Length: 5\r\nX-Real-Ip: 1.2.3.4\r\nAuthorization: x\r\nX-Sum: 7\r\n\r\n`,
    upstream: [/\r\n\r\nX-Sum: 7\r\n$/],
  },
  {
    section: '9110 6.5.1',
    must: 'a trailer that steers framing or caches is not passed on, in answers',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n0\r\nTransfer-Encoding: x\r\nSet-Cookie: a\r\nCache-Control: public\r\nX-Sum: 7\r\n\r\n`,
    client: [/\r\n\r\nX-Sum: 7\r\n$/],
  },
  {
    section: '9110 6.6.1',
    must: 'an answer without Date gets one when it is passed on',
    ask: `${GET}\r\n`,
    client: [/\r\ndate: /i],
  },
  {
    section: '9110 6.6.1',
    must: 'an answer with Date keeps it, and gets no other',
    ask: `${GET}\r\n`,
    answer: answering(DATE),
    client: [DATE, { not: /\r\ndate: [\s\S]*\r\ndate: /i }],
  },
  {
    section: '9110 6.6.1',
    must: 'no interim answer gets a Date',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 102 P\r\n\r\n${OK}`,
    interim: ['HTTP/1.1 102 Processing\r\n\r\n'],
  },
  {
    section: '9110 6.6.2',
    must: 'Trailer names what may come behind a body',
    why: 'A SHOULD; the codec writes all framing itself, and what a filter adds or drops would make it wrong.',
  },

  // 7: routing
  {
    section: '9110 7.2',
    must: 'Host is made anew from the target where the target has one',
    ask: 'GET http://up.example:80/ HTTP/1.1\r\nHost: evil\r\n\r\n',
    upstream: ['Host: up.example:80'],
  },
  {
    section: '9110 7.4',
    must: 'a request for https that did not come by TLS is refused',
    why: 'test/path/targets.test.ts: 421 at gateways and inbound ports; the outbound port has no TLS of its own for it and says 501.',
  },
  {
    section: '9110 7.5',
    must: 'every request has one final answer',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 100 C\r\n\r\n${OK}${OK}`,
    interim: ['HTTP/1.1 100 Continue\r\n\r\n'],
  },

  // 8: representations
  {
    section: '9110 8.3',
    must: 'Content-Type is passed on as it is, and none is made up',
    ask: `${POST}Content-Type: text/x; a="b, c"\r\nContent-Length: 0\r\n\r\n`,
    upstream: ['Content-Type: text/x; a="b, c"'],
    client: [{ not: /content-type/i }],
  },
  {
    section: '9110 8.6',
    must: 'a length that is invalid is not passed on',
    ask: `${POST}Content-Length: 1e3\r\n\r\n`,
    answer: null,
    status: 400,
    reused: false,
  },
  {
    section: '9110 8.6',
    must: 'a method that means to send something says that it is nothing',
    ask: `${POST}Content-Length: 0\r\n\r\n`,
    upstream: ['Content-Length: 0'],
  },
  {
    section: '9110 8.6',
    must: 'the length of what HEAD would get is kept',
    ask: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n',
    client: ['Content-Length: 12345'],
  },
  {
    section: '9110 8.6',
    must: 'the length of what a 304 does not send is kept, and none made up',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 304 No\r\n\r\n',
    status: 304,
    client: [{ not: /content-length|transfer-encoding/i }],
  },
  {
    section: '9110 8.8',
    must: 'validators are passed on as they are',
    ask: `${GET}\r\n`,
    answer: answering('ETag: W/"a"', `Last-${DATE.replace('Date', 'Modified')}`),
    client: ['ETag: W/"a"', 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT'],
  },
];

tryTable('RFC 9110, fields', ROWS);
