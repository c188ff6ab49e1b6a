// RFC 9112, 6 and 7: where a message ends, and how its body is coded.

import { HOST, OK, type Row, tryTable } from './table.ts';

const POST = `POST / HTTP/1.1\r\n${HOST}`;
const GET = `GET / HTTP/1.1\r\n${HOST}`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const CHUNKS = '3\r\nabc\r\n2;x="y"\r\nde\r\n0\r\n\r\n';
const refused = { status: 400, reused: false, answer: null } as const;
const broken = { status: 502, client: [{ not: /\r\nx-secret:/i }] } as const;

const ROWS: Row[] = [
  // 6: bodies
  {
    section: '9112 6.1',
    must: 'chunked applied twice is 400',
    ask: `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    ...refused,
  },
  {
    section: '9112 6.1',
    must: 'a request whose last coding is not chunked is 400 and its connection closes',
    ask: `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    ...refused,
  },
  {
    section: '9112 6.1',
    must: 'a coding in HTTP/1.0 makes a request faulty, and its connection closes',
    ask: `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n${CHUNKS}`,
    ...refused,
  },
  {
    section: '9112 6.1',
    must: 'a coding in an answer of HTTP/1.0 makes it faulty',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n${CHUNKS}`,
    ...broken,
  },
  {
    section: '9112 6.1',
    must: 'no answer of 204 has a coding, also when the upstream says so',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 204 No\r\n${CHUNKED}\r\n`,
    status: 204,
    client: [{ not: /transfer-encoding/i }],
  },
  {
    section: '9112 6.1',
    must: 'no interim answer has a coding or a length',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 103 Early Hints\r\n${CHUNKED}\r\nHTTP/1.1 102 P\r\nContent-Length: 5\r\n\r\n${OK}`,
    interim: ['HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 102 Processing\r\n\r\n'],
  },
  {
    section: '9112 6.1',
    must: 'a client of HTTP/1.0 is sent no coding: the body ends with the connection',
    ask: `GET / HTTP/1.0\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n${CHUNKS}`,
    client: [{ not: /transfer-encoding/i }],
    clientBody: 'abcde',
    reused: false,
  },
  {
    section: '9112 6.1',
    must: 'a client sends a coding only to who is known to speak HTTP/1.1',
    why: 'That an endpoint speaks it is what its port of the configuration says (protocol HTTP).',
  },
  {
    section: '9112 6.2',
    must: 'nothing that is sent on has a length beside a coding',
    ask: `${POST}${CHUNKED}\r\n${CHUNKS}`,
    upstream: ['Transfer-Encoding: chunked', { not: /content-length/i }],
    upstreamBody: 'abcde',
  },
  {
    section: '9112 6.2',
    must: 'a length is passed on with its body, in both directions',
    ask: `${POST}Content-Length: 3\r\n\r\nabc`,
    upstream: ['Content-Length: 3', { not: /transfer-encoding/i }],
    upstreamBody: 'abc',
    client: ['Content-Length: 2'],
    clientBody: 'ok',
  },
  {
    section: '9112 6.3',
    must: 'an answer to HEAD ends with its head, whatever its fields say',
    ask: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n`,
    client: ['Content-Length: 500'],
    clientBody: '',
  },
  {
    section: '9112 6.3',
    must: 'an answer to HEAD with a coding ends with its head, too',
    ask: `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n`,
    clientBody: '',
  },
  {
    section: '9112 6.3',
    must: 'a 204 ends with its head, whatever its fields say',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n',
    status: 204,
    client: [{ not: /content-length/i }],
  },
  {
    section: '9112 6.3',
    must: 'a 304 ends with its head, whatever its fields say',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 304 No\r\nContent-Length: 500\r\n\r\n',
    status: 304,
    client: ['Content-Length: 500'],
  },
  {
    section: '9112 6.3',
    must: 'a request with a length and a coding is an error',
    ask: `${POST}Content-Length: 3\r\n${CHUNKED}\r\n${CHUNKS}`,
    ...refused,
  },
  {
    section: '9112 6.3',
    must: 'an answer with a length and a coding is an error',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${CHUNKED}\r\n${CHUNKS}`,
    ...broken,
  },
  {
    section: '9112 6.3',
    must: 'an invalid length of a request is 400 and the connection closes',
    ask: `${POST}Content-Length: 3, 4\r\n\r\nabc`,
    ...refused,
  },
  {
    section: '9112 6.3',
    must: 'an invalid length of an answer is 502, and that connection closes',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok',
    ...broken,
  },
  {
    section: '9112 6.3',
    must: 'a request with neither has no body',
    ask: `DELETE / HTTP/1.1\r\n${HOST}\r\n`,
    upstream: [{ not: /content-length|transfer-encoding/i }],
    upstreamBody: '',
  },
  {
    section: '9112 6.3',
    must: 'an answer with neither ends with its connection, and is chunked for the client',
    ask: `${GET}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\n\r\nall of it',
    closes: true,
    client: ['Transfer-Encoding: chunked'],
    clientBody: 'all of it',
  },
  {
    section: '9112 6.3',
    must: 'bytes after an answer are no answer to anybody',
    ask: `${GET}\r\n`,
    answer: `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen`,
    clientBody: 'ok',
  },

  // 7: codings
  {
    section: '9112 7',
    must: 'names of codings have no case',
    ask: `${POST}Transfer-Encoding: ChUnKeD\r\n\r\n${CHUNKS}`,
    upstreamBody: 'abcde',
  },
  {
    section: '9112 7.1',
    must: 'chunked is decoded, and coded anew, in answers',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n${CHUNKS}`,
    client: ['Transfer-Encoding: chunked'],
    clientBody: 'abcde',
  },
  {
    section: '9112 7.1',
    must: 'a size that overflows is an error of the request',
    ask: `${POST}${CHUNKED}\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n`,
    status: 400,
    reused: false,
  },
  {
    section: '9112 7.1',
    must: 'a size that overflows cuts the answer off',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n`,
    status: 0,
  },
  {
    section: '9112 7.1',
    must: 'zeros before a size and digits of either case are a size',
    ask: `${POST}${CHUNKED}\r\n${'0'.repeat(100)}A\r\n0123456789\r\n0a\r\n0123456789\r\n00\r\n\r\n`,
    upstreamBody: '01234567890123456789',
  },
  {
    section: '9112 7.1.1',
    must: 'extensions that nobody knows are ignored, with blanks around them, and not passed on',
    ask: `${POST}${CHUNKED}\r\n3 ; a = b ;\tc\r\nabc\r\n0 ;d\r\n\r\n`,
    upstreamBody: 'abc',
  },
  {
    section: '9112 7.1.1',
    must: 'extensions of answers are ignored as well',
    ask: `${GET}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n3 \t;a="b"\r\nabc\r\n0\r\n\r\n`,
    clientBody: 'abc',
  },
  {
    section: '9112 7.1.2',
    must: 'trailers of a request are passed on behind its body, and not put into its head',
    ask: `${POST}${CHUNKED}\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`,
    upstream: [/\r\n\r\nX-Sum: 7\r\n$/],
    upstreamBody: 'abc',
  },
  {
    section: '9112 7.1.2',
    must: 'trailers of an answer are passed on behind its body, and not put into its head',
    ask: `${GET}TE: trailers\r\nConnection: TE\r\n\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`,
    client: [/\r\n\r\nX-Sum: 7\r\n$/],
    clientBody: 'abc',
  },
  {
    section: '9112 7.1.2',
    must: 'where the coding is taken off, trailers are dropped and not merged',
    ask: `GET / HTTP/1.0\r\n${HOST}\r\n`,
    answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`,
    client: [{ not: /x-sum/i }],
    clientBody: 'abc',
    reused: false,
  },
  {
    section: '9112 7.4',
    must: 'chunked is never named in TE',
    ask: `${GET}TE: chunked, gzip;q=0.5\r\nConnection: TE\r\n\r\n`,
    upstream: [{ not: /\r\nte:/i }],
  },
];

tryTable('RFC 9112, bodies', ROWS);
