// RFC 9111: what a proxy that is no cache must leave alone.

import { HOST, type Row, tryTable } from './table.ts';

const GET = `GET / HTTP/1.1\r\n${HOST}`;

function answering(...fields: string[]): string {
  return ['HTTP/1.1 200 OK', 'Content-Length: 2', ...fields, '', 'ok'].join('\r\n');
}

const ROWS: Row[] = [
  {
    section: '9111 3',
    must: 'what may be stored, and what of it',
    why: 'Nothing is stored: there is no cache in this proxy.',
  },
  {
    section: '9111 4',
    must: 'what may be answered from what was stored',
    why: 'Nothing is stored, so every answer is of an upstream or of the proxy itself.',
  },
  {
    section: '9111 4',
    must: 'requests that are equal are not answered by one',
    why: 'No request is collapsed with another: each is sent on.',
  },
  {
    section: '9111 4.3.1',
    must: 'no condition is added to a request',
    ask: `${GET}\r\n`,
    upstream: [{ not: /\r\nif-/i }],
  },
  {
    section: '9111 4.3.3',
    must: 'a 304 to a condition of the client is the client’s',
    ask: `${GET}If-None-Match: "a"\r\n\r\n`,
    answer: 'HTTP/1.1 304 x\r\nETag: "a"\r\nCache-Control: max-age=5\r\n\r\n',
    status: 304,
    client: ['ETag: "a"', 'Cache-Control: max-age=5'],
  },
  { section: '9111 4.4', must: 'methods that change something invalidate what is stored', why: 'Nothing is stored.' },
  {
    section: '9111 5.1',
    must: 'Age is passed on as it is, and none is made up',
    ask: `${GET}\r\n`,
    answer: answering('Age: 17'),
    client: ['Age: 17'],
  },
  {
    section: '9111 5.1',
    must: 'an answer that comes from no cache has no Age',
    ask: `${GET}\r\n`,
    client: [{ not: /\r\nage:/i }],
  },
  {
    section: '9111 5.2',
    must: 'directives of requests are passed on, known or not',
    ask: `${GET}Cache-Control: no-store, max-stale, unheard-of="a, b"\r\n\r\n`,
    upstream: ['Cache-Control: no-store, max-stale, unheard-of="a, b"'],
  },
  {
    section: '9111 5.2',
    must: 'directives of answers are passed on, known or not',
    ask: `${GET}\r\n`,
    answer: answering('Cache-Control: private="x", no-cache', 'Cache-Control: unheard-of, s-maxage=0'),
    client: ['Cache-Control: private="x", no-cache', 'Cache-Control: unheard-of, s-maxage=0'],
  },
  {
    section: '9111 5.2.1.7',
    must: 'only-if-cached asks a cache, so it is passed on',
    ask: `${GET}Cache-Control: only-if-cached\r\n\r\n`,
    upstream: ['Cache-Control: only-if-cached'],
  },
  {
    section: '9111 5.2.2.6',
    must: 'no-transform is obeyed: nothing is transformed',
    ask: `${GET}\r\n`,
    answer: answering('Cache-Control: no-transform', 'Content-Encoding: identity'),
    client: ['Cache-Control: no-transform', 'Content-Encoding: identity'],
    clientBody: 'ok',
  },
  {
    section: '9111 5.3',
    must: 'Expires is passed on, valid or not',
    ask: `${GET}\r\n`,
    answer: answering('Expires: 0'),
    client: ['Expires: 0'],
  },
  {
    section: '9111 5.4',
    must: 'Pragma is passed on',
    ask: `${GET}Pragma: no-cache\r\n\r\n`,
    answer: answering('Pragma: x'),
    upstream: ['Pragma: no-cache'],
    client: ['Pragma: x'],
  },
  {
    section: '9111 5.5',
    must: 'Warning is passed on',
    ask: `${GET}\r\n`,
    answer: answering('Warning: 110 - "Response is Stale"'),
    client: ['Warning: 110 - "Response is Stale"'],
  },
  {
    section: '9111 4.1',
    must: 'Vary is passed on as it is',
    ask: `${GET}\r\n`,
    answer: answering('Vary: Accept-Encoding, *'),
    client: ['Vary: Accept-Encoding, *'],
  },
];

tryTable('RFC 9111', ROWS);
