// Bytes that look like HTTP/1.1 and mostly are not quite: pieces of good and bad messages put together by a seeded
// random generator, then damaged.

export type Random = () => number;

/** Numbers in [0, 1) that repeat with the seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)];
}

const REQUEST_LINES = [
  'GET / HTTP/1.1',
  'GET /a?b=c HTTP/1.1',
  'POST /p HTTP/1.1',
  'PUT /p HTTP/1.1',
  'HEAD / HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'GET / HTTP/1.0',
  'GET http://b:1/x HTTP/1.1',
  'CONNECT b:1 HTTP/1.1',
  'M-SEARCH /s HTTP/1.1',
  'VERSION-CONTROL /s HTTP/1.1',
  'TRACE / HTTP/1.1',
  'GET http://b: HTTP/1.0',
  'GET  / HTTP/1.1',
  'get / HTTP/1.1',
  'GET / HTTP/2.0',
];
const STATUS_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 103 Hints',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 101 Switching',
  'HTTP/1.1 099 x',
  'RTSP/1.0 200 OK',
];
const FIELDS = [
  'Accept: */*',
  'X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'X-Empty:',
  'X-Trail:  padded \t ',
  'Cookie: a=b; c=d',
  'Connection: keep-alive',
  'Connection: close',
  'Connection: X-Hop, te',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Upgrade: TLS/1.2, foo',
  'Host: b:',
  'Content-Length:\t5\t',
  'X-Hop: 1',
  'TE: trailers',
  'Trailer: X-T',
  'Expect: 100-continue',
  'Expect: else',
  'Host: b',
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 05',
  'Content-Length: 5, 5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\x0bchunked',
  ' folded',
  'No colon',
  'Nul: \0',
  'High: \xe9\xff',
];
const BODIES = [
  '',
  'hello',
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '3;ext=1\r\nabc\r\n00005\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  '5\r\nhello\r\n0;x\r\nX-T: 1\r\nHost: c\r\n\r\n',
  '5 \r\nhello\r\n0\r\n\r\n',
  '005\t;a = b\r\nhello\r\n00 ;c\r\nForwarded: x\r\nX-T: 1\r\n\r\n',
  'fffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  '5\r\nhelloX0\r\n\r\n',
];
const DAMAGE = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '0',
  '\xff',
  '\x7f',
  'GET / HTTP/1.1\r\n',
];

export function requests(random: Random): string {
  return messages(random, REQUEST_LINES, random() < 0.9 ? 'Host: a\r\n' : '');
}

export function responses(random: Random): string {
  return messages(random, STATUS_LINES, '');
}

function messages(random: Random, lines: readonly string[], always: string): string {
  let text = random() < 0.05 ? '\r\n' : '';
  for (let n = 1 + Math.floor(random() * 4); n > 0; n--) text += message(random, lines, always);
  return random() < 0.5 ? text : damaged(random, text);
}

function message(random: Random, lines: readonly string[], always: string): string {
  let text = `${pick(random, lines)}\r\n${always}`;
  for (let n = Math.floor(random() * 5); n > 0; n--) text += `${pick(random, FIELDS)}\r\n`;
  // Mostly a body and the framing that goes with it, so that bodies are reached at all.
  const body = pick(random, BODIES);
  if (body === 'hello' && random() < 0.8) text += 'Content-Length: 5\r\n';
  else if (body !== '' && random() < 0.8) text += 'Transfer-Encoding: chunked\r\n';
  if (random() < 0.02) text += `X-Large: ${'y'.repeat(2000)}\r\n`;
  return `${text}\r\n${body}`;
}

function damaged(random: Random, text: string): string {
  let bytes = text;
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const at = Math.floor(random() * bytes.length);
    const kind = random();
    if (kind < 0.3) bytes = bytes.slice(0, at) + bytes.slice(at + 1);
    else if (kind < 0.7) bytes = bytes.slice(0, at) + pick(random, DAMAGE) + bytes.slice(at);
    else if (kind < 0.9) {
      bytes = bytes.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + bytes.slice(at + 1);
    } else bytes = bytes.slice(0, at);
  }
  return bytes;
}

/** The same text cut at random places, sometimes after every byte. */
export function cut(random: Random, text: string): string[] {
  const everywhere = random() < 0.3;
  const pieces: string[] = [];
  let from = 0;
  while (from < text.length) {
    const length = everywhere ? 1 : 1 + Math.floor(random() * (random() < 0.5 ? 8 : 200));
    pieces.push(text.slice(from, from + length));
    from += length;
  }
  return pieces;
}
