// RFC 9112, 2 to 5: what is a message, and what of its head is passed on.

import { HOST, type Row, tryTable } from './table.ts';

const GET = `GET / HTTP/1.1\r\n${HOST}`;
const refused = { status: 400, reused: false, answer: null } as const;
const broken = { status: 502, client: [{ not: /\r\nx-secret:/i }] } as const;

const ROWS: Row[] = [
  // 2: the format of messages
  {
    section: '9112 2.2',
    must: 'a line ends in CRLF; a bare CR in a request is invalid',
    ask: `${GET}X: a\rb\r\n\r\n`,
    ...refused,
  },
  {
    section: '9112 2.2',
    must: 'a bare CR in an answer is invalid, and not passed on',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nX-Secret: a\rb\r\nContent-Length: 0\r\n\r\n',
    ...broken,
  },
  {
    section: '9112 2.2',
    must: 'an empty line before a request is ignored',
    ask: `\r\n${GET}\r\n`,
    upstream: ['GET / HTTP/1.1'],
  },
  {
    section: '9112 2.2',
    must: 'whitespace between the start line and the first field makes a request invalid',
    ask: 'GET / HTTP/1.1\r\n Host: up.example\r\n\r\n',
    ...refused,
  },
  {
    section: '9112 2.2',
    must: 'whitespace between the start line and the first field makes an answer invalid',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\n X-Secret: a\r\nContent-Length: 0\r\n\r\n',
    ...broken,
  },
  {
    section: '9112 2.2',
    must: 'what is no HTTP is answered 400 and the connection closed',
    ask: '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n',
    ...refused,
  },
  {
    section: '9112 2.3',
    must: 'an intermediary sends its own version on, whatever the client speaks',
    ask: `GET / HTTP/1.0\r\n${HOST}\r\n`,
    upstream: ['GET / HTTP/1.1'],
    reused: false,
  },
  {
    section: '9112 2.3',
    must: 'an intermediary sends its own version back, whatever the upstream speaks',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    closes: true,
    client: ['HTTP/1.1 200 OK'],
    clientBody: 'ok',
  },
  {
    section: '9112 2.3',
    must: 'a version of another major number is none that may be guessed at',
    ask: `GET / HTTP/2.0\r\n${HOST}\r\n`,
    ...refused,
  },

  // 3: request lines
  {
    section: '9112 3',
    must: 'an invalid request line is not corrected',
    ask: `GET /a b HTTP/1.1\r\n${HOST}\r\n`,
    ...refused,
  },
  {
    section: '9112 3',
    must: 'a target that is longer than what is read is 414',
    ask: `GET /${'a'.repeat(61_500)}`,
    status: 414,
    reused: false,
    answer: null,
  },
  {
    section: '9112 3.1',
    must: 'any token is a method, and its case is kept',
    ask: `fOO-1 / HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['fOO-1 / HTTP/1.1'],
  },
  { section: '9112 3.2', must: 'a request of HTTP/1.1 without Host is 400', ask: 'GET / HTTP/1.1\r\n\r\n', ...refused },
  {
    section: '9112 3.2',
    must: 'a request with two Host fields is 400, also when they are the same',
    ask: `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`,
    ...refused,
  },
  {
    section: '9112 3.2',
    must: 'a request whose Host is no host is 400',
    ask: 'GET / HTTP/1.1\r\nHost: up.example/x\r\n\r\n',
    ...refused,
  },
  {
    section: '9112 3.2',
    must: 'a request that is sent on has Host, and it comes first',
    ask: `GET / HTTP/1.1\r\nX: y\r\n${HOST}\r\n`,
    upstream: [/^GET \/ HTTP\/1.1\r\nHost: up\.example\r\n/],
  },
  {
    section: '9112 3.2.1',
    must: 'an absolute target without a path is sent on as "/"',
    ask: `GET http://up.example HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['GET / HTTP/1.1'],
  },
  {
    section: '9112 3.2.2',
    must: 'a server takes the absolute form of a target',
    ask: `GET http://up.example/a?b HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['GET /a?b HTTP/1.1'],
  },
  {
    section: '9112 3.2.2',
    must: 'with an absolute target the Host that was received is ignored, and replaced',
    ask: 'GET http://up.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n',
    upstream: ['Host: up.example', { not: /other/ }],
  },
  {
    section: '9112 3.2.3',
    must: 'CONNECT takes an authority and nothing else',
    ask: `CONNECT /a HTTP/1.1\r\n${HOST}\r\n`,
    ...refused,
  },
  {
    section: '9112 3.2.4',
    must: 'OPTIONS of a whole server is sent on as "*"',
    ask: `OPTIONS http://up.example HTTP/1.1\r\n${HOST}\r\n`,
    upstream: ['OPTIONS * HTTP/1.1'],
  },
  {
    section: '9112 3.2.4',
    must: 'the asterisk is a target of OPTIONS alone',
    ask: `GET * HTTP/1.1\r\n${HOST}\r\n`,
    ...refused,
  },

  // 4: status lines
  {
    section: '9112 4',
    must: 'the space before a reason stays when there is none',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n',
    status: 299,
    client: ['HTTP/1.1 299 '],
  },
  {
    section: '9112 4',
    must: 'the reason of an upstream means nothing, and is not passed on',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 404 Secret\r\nContent-Length: 0\r\n\r\n',
    status: 404,
    client: ['HTTP/1.1 404 Not Found'],
  },

  // 5: fields
  {
    section: '9112 5.1',
    must: 'whitespace before the colon of a request is 400',
    ask: `${GET}X : a\r\n\r\n`,
    ...refused,
  },
  {
    section: '9112 5.1',
    must: 'whitespace before the colon of an answer is never passed on',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nX-Secret : a\r\nContent-Length: 0\r\n\r\n',
    ...broken,
  },
  { section: '9112 5.2', must: 'a folded line of a request is 400', ask: `${GET}X: a\r\n b\r\n\r\n`, ...refused },
  {
    section: '9112 5.2',
    must: 'an answer with a folded line is replaced by 502',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nX-Secret: a\r\n b\r\nContent-Length: 0\r\n\r\n',
    ...broken,
  },
];

tryTable('RFC 9112, messages', ROWS);
